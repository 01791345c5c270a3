"""What is seen of sessions while a new revision of a member is tried out in some of them.

Only those in the canary and in its baseline are watched, for the same time from their beginning.
Of those in the shadow it is only seen, for as long, which answers a judge prefers.
A vote waits for the member that is tried out, in both arms alike, as long as its call is not slow:
cancelled sooner, nobody would ever see what is wrong with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

from crds.routes import RouteTable, Split
from runtime.audit import Candidate
from runtime.audit.kinds import AssignedEntry, WatchedArm
from runtime.audit.log import rfc3339
from runtime.audit.record import Watched
from runtime.gateway.story.arms import arm_in
from runtime.gateway.story.poll import Held
from runtime.sessions import Session

#: A decision takes no longer than its ensemble allows, and so long to be noted.
NOTED_SECONDS = 2.0
#: So long may a question wait to be asked in the shadow. It then has as long as the decision had,
#: and so has the judge.
SHADOW_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Window:
    """The time for which a session is watched."""

    split: Split
    arm: WatchedArm
    until: datetime


def window(session: Session, table: RouteTable | None, at: datetime | None = None) -> Window | None:
    """The window that a session is in now. None: it is not watched, or no longer.

    Args:
        session: whose.
        table: who is tried out.
        at: when. Default: now.
    """
    found = _window(session, table, at)
    return None if found is None or found.arm == "Shadow" else found


def compared(session: Session, table: RouteTable | None) -> bool:
    """Whether answers in its shadow count now, if a judge compares them."""
    found = _window(session, table, None)
    return found is not None and found.arm == "Shadow"


def _window(session: Session, table: RouteTable | None, at: datetime | None) -> Window | None:
    split = table.split if table else None
    arm = arm_in(session.arm, table)
    if arm in (None, "Rest", "Tester") or split is None or split.watched_seconds is None:
        return None
    if arm == "Shadow" and not (split.shadow and split.shadow.judge):
        return None
    begun = datetime.fromisoformat(session.created)
    until = begun + timedelta(seconds=split.watched_seconds)
    return (
        Window(split, cast("WatchedArm", arm), until) if (at or datetime.now(UTC)) < until else None
    )


def begun(session: Session, table: RouteTable | None) -> AssignedEntry | None:
    """What the log says of a session that begins. None: it is not watched."""
    found = _window(session, table, datetime.fromisoformat(session.created))
    if found is None or table is None:
        return None
    seconds = table.timeout_seconds + NOTED_SECONDS
    if found.arm == "Shadow":
        seconds += 2 * table.timeout_seconds + SHADOW_SECONDS
    told = timedelta(seconds=seconds)
    return AssignedEntry(
        time=session.created,
        session=session.id,
        rollout=found.split.salt,
        arm=found.arm,
        until=rfc3339(found.until),
        settled=rfc3339(found.until + told),
    )


def held(split: Split) -> Held:
    """Whom a vote waits for in a session that is watched: until the call is slow, and any more of
    it would tell nothing new."""
    above = split.slow_above_ms
    return Held(split.member, None if above is None else (above + 1) / 1000)


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
