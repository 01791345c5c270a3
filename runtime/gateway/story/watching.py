"""What is seen of sessions while something is tried out in some of them: a new revision of a
member, or the values of an experiment. And for a while after a revision is everyone's.

Only those in the canary and in its baseline are watched, and a share after promotion, for the same
time from their beginning.
Of those in the shadow it is only seen, for as long, which answers a judge prefers.
A vote waits for the member that is tried out, in both arms alike, as long as its call is not slow:
cancelled sooner, nobody would ever see what is wrong with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

from crds.routes import RouteTable, Split
from crds.trials import Trial
from runtime.arms import arms_of
from runtime.audit import Candidate
from runtime.audit.kinds import AssignedEntry, WatchedArm
from runtime.audit.log import rfc3339
from runtime.audit.record import Arm, Watched
from runtime.gateway.story.arms import arm_in
from runtime.gateway.story.poll import Held
from runtime.sessions import Session

#: A decision takes no longer than its ensemble allows, and so long to be noted; a post as well.
NOTED_SECONDS = 2.0
#: So long may a question wait to be asked in the shadow. It then has as long as the decision had,
#: and so has the judge.
SHADOW_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Window:
    """The time for which a session is watched in one of its arms."""

    #: Salt of the rollout or experiment.
    rollout: str
    arm: WatchedArm
    #: What it asks counts until then.
    until: datetime
    #: Who is tried out. None: nobody, it is an experiment.
    split: Split | None = None
    #: Whether all sessions of the player that begin in the window make one outcome.
    of_player: bool = False
    #: What the game posts of it counts until then. None: as long as what it asks.
    matures: datetime | None = None

    @property
    def final(self) -> datetime:
        """When nothing more counts."""
        return self.matures or self.until


def windows(
    session: Session,
    table: RouteTable | None,
    trials: Sequence[Trial],
    at: datetime | None = None,
) -> list[Window]:
    """The windows that a session is in now; none where it is not watched, or no longer.

    Args:
        session: whose.
        table: who is tried out.
        trials: the experiments that are under way.
        at: when. Default: now.
    """
    now = at or datetime.now(UTC)
    return [each for each in maturing(session, table, trials, now) if now < each.until]


def maturing(
    session: Session,
    table: RouteTable | None,
    trials: Sequence[Trial],
    at: datetime | None = None,
) -> list[Window]:
    """The windows in which what a game posts of it counts: those that it is in, and those that wait
    for metrics that are known later."""
    return [each for each in _windows(session, table, trials, at) if each.arm != "Shadow"]


def compared(session: Session, table: RouteTable | None) -> bool:
    """Whether answers in its shadow count now, if a judge compares them."""
    return any(each.arm == "Shadow" for each in _windows(session, table, (), None))


def _windows(
    session: Session, table: RouteTable | None, trials: Sequence[Trial], at: datetime | None
) -> list[Window]:
    arms: list[tuple[str, WatchedArm, int, Split | None, bool]] = []
    split, arm = table.split if table else None, arm_in(session.arm, table)
    if split and split.watched_seconds is not None and _seen(arm, split):
        arms.append((split.salt, cast("WatchedArm", arm), split.watched_seconds, split, False))
    if trials:
        arms += [
            (trial.salt, arm, trial.watched_seconds, None, trial.unit == "Player")
            for trial, arm in arms_of(session.id, trials)
        ]
    if not arms:
        return []
    begun, now = datetime.fromisoformat(session.created), at or datetime.now(UTC)
    found = []
    for salt, arm, seconds, split, of_player in arms:
        until, matures = begun + timedelta(seconds=seconds), None
        if split and split.matures_seconds and arm != "Shadow":
            matures = max(until, begun + timedelta(seconds=split.matures_seconds))
        found.append(Window(salt, arm, until, split, of_player, matures))
    return [each for each in found if now < each.final]


def _seen(arm: Arm | None, split: Split) -> bool:
    """Whether a rollout sees anything of who is in that arm."""
    if arm == "Shadow":
        return bool(split.shadow and split.shadow.judge)
    return arm in ("Canary", "Baseline", "Promoted")


def begun(
    session: Session, table: RouteTable | None, trials: Sequence[Trial]
) -> list[AssignedEntry]:
    """What the log says of a session that begins; nothing where it is not watched. The last session
    that a player begins in the window is watched as long as the first."""
    at, entries = datetime.fromisoformat(session.created), []
    timeout = table.timeout_seconds if table else 0
    for each in _windows(session, table, trials, at):
        noted = timedelta(seconds=NOTED_SECONDS)
        told = timedelta(seconds=timeout) + noted
        if each.arm == "Shadow":
            told += timedelta(seconds=2 * timeout + SHADOW_SECONDS)
        if each.of_player:
            told += each.until - at
        entries.append(
            AssignedEntry(
                time=session.created,
                session=session.id,
                rollout=each.rollout,
                arm=each.arm,
                until=rfc3339(each.until),
                matures=rfc3339(each.matures) if each.matures else None,
                settled=rfc3339(max(each.until + told, each.final + noted)),
            )
        )
    return entries


def first_end(watched: Sequence[Window]) -> str:
    """When the first of these windows ends. What happens now counts in those that end then or
    later, so that this is all that has to be kept of which they were."""
    return rfc3339(min(each.until for each in watched))


def first_final(watched: Sequence[Window]) -> str:
    """The same of what a game posts."""
    return rfc3339(min(each.final for each in watched))


def tried_out(watched: Sequence[Window]) -> Split | None:
    """The rollout among what watches a session."""
    return next((each.split for each in watched if each.split), None)


def held(split: Split) -> Held:
    """Whom a vote waits for in a session that is watched: until the call is slow, and any more of
    it would tell nothing new."""
    above = split.slow_above_ms
    return Held(split.member, None if above is None else (above + 1) / 1000)


def counted(candidates: Sequence[Candidate], watched: Sequence[Window]) -> Watched | None:
    """What a decision counts as. None: nobody watches its session."""
    if not watched:
        return None
    split = tried_out(watched)
    shown = seen(candidates, split) if split else Watched()
    return shown.model_copy(update={"until": first_end(watched)})


def seen(candidates: Sequence[Candidate], split: Split) -> Watched:
    """What a decision shows of the member that is tried out: of the first request to it, whoever
    was asked after that."""
    found = next((each for each in candidates if each.member == split.member), None)
    if found is None or _unpaid(found):
        return Watched()
    first = found.tries[0] if found.tries else found
    failed = None if first.state == "Cancelled" else first.state != "Answered"
    slow: bool | None = None
    if split.slow_above_ms is not None and first.state != "Skipped":
        above = first.latency_ms > split.slow_above_ms
        # One that failed or was cut off would have taken longer, nobody knows how much.
        slow = above if above or first.state == "Answered" else None
    return Watched(failed=failed, slow=slow)


def _unpaid(candidate: Candidate) -> bool:
    """Whether it was not asked for want of money, which is no fault of its."""
    return candidate.state == "Skipped" and (candidate.error or "").startswith("Budget:")
