"""How a changed member reaches players: the state machine of `spec.rollout`.

Pure: the status as it was, the members as they are, what a person asks and the time go in; the next
status and what each member runs come out. Every moment that matters stands in the status, so that
an operator that is killed at any write comes to the same. What the words become in pods is
`members`, what gateways are told is `routes`.

    Starting -> Stepping | Paused -> Promoted -> Complete
            \\----------- Aborted      Undone

The newest wish wins: a spec that changes in the middle begins a new rollout, one that returns to
what players have ends it, and a person's word is carried out or refused, once, and never lingers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from datetime import datetime, timedelta

from controllers.conditions import Said, clip, timestamp
from controllers.ensemble.revision import digest
from crds.ensemble import FULL
from crds.rollout import RevisionChange, Rollout, RolloutStatus, RolloutStep

#: Revisions by variant.
Revisions = Mapping[str, str]
#: While these last a rollout is under way.
UNDER_WAY = {"Starting", "Stepping", "Paused"}


@dataclass(frozen=True)
class Replicas:
    """Of one revision. A hosted model needs none."""

    ready: int = 0
    desired: int = 1


@dataclass(frozen=True)
class Line:
    """A member as its rollout sees it. What has no stable revision yet, or runs no longer, is not
    in it: there is nothing to protect."""

    name: str
    wanted: Revisions
    stable: Revisions
    #: By variant and revision.
    replicas: Mapping[tuple[str, str], Replicas] = field(default_factory=dict)
    held_back: str | None = None
    #: What keeps the wanted revision from starting.
    fault: str | None = None

    @property
    def pending(self) -> dict[str, str]:
        """What is wanted and not what players have."""
        return {way: rev for way, rev in self.wanted.items() if self.stable.get(way, rev) != rev}

    @property
    def held(self) -> bool:
        """Whether a person has sent back the very change that is pending."""
        return bool(self.pending) and self.held_back == digest(self.pending)

    def answers(self, revisions: Revisions) -> bool:
        """Whether each of these has a replica that answers."""
        return all(each.ready >= min(1, each.desired) for each in self.of(revisions))

    def complete(self, revisions: Revisions) -> bool:
        """Whether each of these has all its replicas."""
        return all(each.ready >= each.desired for each in self.of(revisions))

    def of(self, revisions: Revisions) -> list[Replicas]:
        """The replicas of these."""
        return [self.replicas.get(at, Replicas()) for at in revisions.items()]


@dataclass(frozen=True)
class Course:
    """What a member runs."""

    stable: Revisions
    #: What is tried out, and whether sessions may be sent there.
    canary: Revisions = field(default_factory=dict)
    asked: bool = False
    #: What could be returned to at once.
    warm: Revisions = field(default_factory=dict)
    held_back: str | None = None
    #: Why nothing is done about what is pending.
    waits: str | None = None


@dataclass(frozen=True)
class Decision:
    """The next state, and what follows from it for each member."""

    status: RolloutStatus | None = None
    courses: Mapping[str, Course] = field(default_factory=dict)
    #: The answer to what a person asked.
    said: Said | None = None
    #: Seconds until time alone changes something.
    again_in: float | None = None


class _RefusedError(Exception):
    """What a person asked for cannot be done; the message says why, and what can."""


def decide(
    policy: Rollout | None,
    before: RolloutStatus | None,
    lines: Sequence[Line],
    asked: str | None,
    uid: str,
    now: datetime,
) -> Decision:
    """What becomes of a rollout.

    Args:
        policy: `spec.rollout`.
        before: the status as it was.
        lines: members, in the order of the spec.
        asked: what a person asks now, if anything.
        uid: of the ensemble; with the rollout's number it makes the salt.
        now: the time.
    """
    if policy is None:
        why = "spec.rollout is not set, so there is nothing to steer; set it with its steps"
        return Decision(_left(before), said=Said("Refused", why) if asked else None)
    turn = _Turn(policy, {line.name: line for line in lines}, before, uid, now)
    turn.follow_the_spec()
    said = turn.obey(asked) if asked else None
    turn.let_time_pass()
    turn.begin_the_next()
    status = turn.status = turn.told()
    until = datetime.fromisoformat(status.until) if status and status.until else None
    return Decision(
        status=status,
        courses={line.name: turn.course(line) for line in lines},
        said=said,
        again_in=max(0.5, (until - now).total_seconds()) if until else None,
    )


class _Turn:
    """One pass through the machine. ``status`` is the state, moved from one to the next."""

    def __init__(
        self,
        policy: Rollout,
        lines: dict[str, Line],
        before: RolloutStatus | None,
        uid: str,
        now: datetime,
    ) -> None:
        self.policy = policy
        self.lines = lines
        self.status = before
        self.number = before.number if before else 0
        self.uid = uid
        self.now = now
        #: What became of a member's stable revisions in this pass.
        self.moved: dict[str, Revisions] = {}
        self.held = {line.name: line.held_back for line in lines.values() if line.held}

    def follow_the_spec(self) -> None:
        """The newest wish wins."""
        status = self.status
        if status is None or (status.phase not in UNDER_WAY and status.phase != "Promoted"):
            return
        line = self.lines.get(status.member)
        if line is None:
            self._set(status, **_ended(f"{status.member} was removed or stopped"))
        elif status.phase == "Promoted":
            if line.pending and line.pending == _old(status) and line.answers(_old(status)):
                self._undo("the spec returned to it")
            elif line.pending:
                self._begin(line)
        elif not line.pending:
            self._finish("Aborted", f"the spec returned to {_names(_old(status))}")
        elif line.pending != _new(status):
            self._begin(line)

    def obey(self, action: str) -> Said:
        """Do what a person asks, or say why not."""
        try:
            return Said("Done", self._act(action))
        except _RefusedError as refusal:
            return Said("Refused", str(refusal))

    def _act(self, action: str) -> str:
        if action == "Retry":
            return self._retry()
        status = self.status
        if status is None:
            raise _RefusedError("there was no rollout yet; change a member and one begins")
        if action == "Undo":
            return self._undo_if_warm(status)
        if status.phase not in UNDER_WAY:
            raise _RefusedError(f"no rollout is under way: {status.message}")
        if action == "Abort":
            self._hold_back(status)
            old = _names(_old(status))
            self._finish("Aborted", f"a person sent {_names(_new(status))} back")
            return f"everyone is told by {old} again"
        if action == "Pause":
            paused_at = status.paused_at or timestamp(self.now)
            self._set(status, phase="Paused", paused_at=paused_at, until=None)
            return "it stays where it is until Resume"
        if action == "Resume" and status.paused_at is not None:
            self._set(status, paused_at=None, step_started_at=self._begun_later(status))
            return "it goes on"
        if action == "Promote":
            self._promote(status)
            return f"everyone is told by {_names(_new(status))}"
        if action == "Resume" and status.phase != "Paused":
            raise _RefusedError("it is not paused; SkipStep goes on to the next step")
        if status.step == 0:
            raise _RefusedError(f"no step has begun: {status.message}")
        self._next_step(status)
        return "it goes on"

    def _retry(self) -> str:
        status = self.status
        first = [status.member] if status else []
        member = next((name for name in [*first, *self.lines] if name in self.held), None)
        if member is None:
            raise _RefusedError("nothing was sent back; change a member and a rollout begins")
        del self.held[member]
        return f"{member} is rolled out again, one member at a time"

    def _undo_if_warm(self, status: RolloutStatus) -> str:
        old, line = _old(status), self.lines.get(status.member)
        if status.phase in UNDER_WAY:
            raise _RefusedError("it is still under way; Abort sends everyone back")
        if status.phase != "Promoted" or line is None:
            raise _RefusedError(
                f"{_names(old)} is not kept warm ({status.phase}); give {status.member} its old "
                "spec, and it is rolled out"
            )
        if not line.answers(old):
            raise _RefusedError(f"{_names(old)} has no ready replica now; ask again when it has")
        self._hold_back(status)
        self._undo("a person undid it")
        return f"everyone is told by {_names(old)} again"

    def let_time_pass(self) -> None:
        """Go on as far as readiness and the time allow: one step at most."""
        status = self.status
        if status is None:
            return
        if status.phase == "Promoted" and self._over(status):
            told = f"{_names(_new(status))} is everyone's; {_names(_old(status))} was let go"
            self._set(status, **_ended(told))
        if status.phase not in UNDER_WAY or status.paused_at is not None:
            return
        line, new = self.lines[status.member], _new(status)
        if status.step == 0:
            if line.complete(new):
                self._enter(status, 1)
        elif not line.answers(new):
            self._set(status, phase="Starting", step_started_at=None, until=None)
        elif status.step_started_at is None or status.step > len(self.policy.steps):
            self._enter(status, min(status.step, len(self.policy.steps)))
        else:
            self._stay(status)
            if (
                self.status
                and self._over(self.status)
                and (status.step < len(self.policy.steps) or line.complete(new))
            ):
                self._next_step(self.status)

    def begin_the_next(self) -> None:
        """One member at a time, in the order of the spec."""
        if self.status and (self.status.phase in UNDER_WAY or self.status.phase == "Promoted"):
            return
        for line in self.lines.values():
            if self._pending(line) and line.name not in self.held:
                self._begin(line)
                self.let_time_pass()
                return

    def _begin(self, line: Line) -> None:
        self.number += 1
        changes = [
            RevisionChange(name=way, stable=line.stable[way], canary=rev)
            for way, rev in sorted(line.pending.items())
        ]
        self.held.pop(line.name, None)
        self.status = RolloutStatus(
            number=self.number,
            member=line.name,
            revisions=changes,
            phase="Starting",
            progress="",
            message="",
            salt=digest([self.uid, self.number, line.name, dict(line.pending)]),
            started_at=timestamp(self.now),
        )

    def _enter(self, status: RolloutStatus, step: int) -> None:
        self._stay(status.model_copy(update={"step": step, "step_started_at": timestamp(self.now)}))

    def _stay(self, status: RolloutStatus) -> None:
        """In its step, whose length is what the spec says now."""
        step = self._step(status)
        if step.pause_minutes is None or status.step_started_at is None:
            self._set(status, phase="Paused", until=None)
        else:
            begun = datetime.fromisoformat(status.step_started_at)
            until = timestamp(begun + timedelta(minutes=step.pause_minutes))
            self._set(status, phase="Stepping", until=until)

    def _next_step(self, status: RolloutStatus) -> None:
        if status.step >= len(self.policy.steps):
            self._promote(status)
            return
        new = _new(status)
        if not self.lines[status.member].answers(new):
            raise _RefusedError(f"{_names(new)} has no ready replica now; ask again when it has")
        self._enter(status.model_copy(update={"paused_at": None}), status.step + 1)

    def _promote(self, status: RolloutStatus) -> None:
        new = _new(status)
        if not self.lines[status.member].complete(new):
            raise _RefusedError(
                f"not all replicas of {_names(new)} are ready; ask again when they are"
            )
        self.moved[status.member] = new
        window = timedelta(minutes=self.policy.rollback_window_minutes)
        self._set(
            status,
            phase="Promoted",
            step=len(self.policy.steps),
            step_started_at=None,
            paused_at=None,
            until=timestamp(self.now + window),
        )

    def _undo(self, why: str) -> None:
        assert self.status is not None  # noqa: S101  (callers have looked)
        self.moved[self.status.member] = _old(self.status)
        self._finish("Undone", why)

    def _finish(self, phase: str, why: str) -> None:
        assert self.status is not None  # noqa: S101  (callers have looked)
        told = f"{why}; everyone is told by {_names(_old(self.status))}"
        if self.status.member in self.held:
            told += "; Retry rolls it out again, or change the member"
        self._set(self.status, **{**_ended(told), "phase": phase})

    def _hold_back(self, status: RolloutStatus) -> None:
        self.held[status.member] = digest(_new(status))

    def _set(self, status: RolloutStatus, **changes: object) -> None:
        self.status = status.model_copy(update=changes)

    def _begun_later(self, status: RolloutStatus) -> str | None:
        """The step's beginning, moved by the time for which it was paused."""
        if status.step_started_at is None or status.paused_at is None:
            return status.step_started_at
        paused = self.now - datetime.fromisoformat(status.paused_at)
        return timestamp(datetime.fromisoformat(status.step_started_at) + paused)

    def _over(self, status: RolloutStatus) -> bool:
        return status.until is not None and datetime.fromisoformat(status.until) <= self.now

    def _step(self, status: RolloutStatus) -> RolloutStep:
        return self.policy.steps[min(status.step, len(self.policy.steps)) - 1]

    def _pending(self, line: Line) -> dict[str, str]:
        stable = {**line.stable, **self.moved.get(line.name, {})}
        return {way: rev for way, rev in line.wanted.items() if stable.get(way, rev) != rev}

    def course(self, line: Line) -> Course:
        """What a member runs in this state."""
        status = self.status
        stable = {**line.stable, **self.moved.get(line.name, {})}
        mine = status is not None and status.member == line.name
        if mine and status is not None and status.phase in UNDER_WAY:
            asked = status.traffic_percent > 0
            return Course(stable, _new(status), asked)
        warm = _old(status) if mine and status and status.phase == "Promoted" else {}
        waits = None
        if line.name in self.held:
            waits = f"{_names(self._pending(line))} was sent back; Retry, or change the member"
        elif self._pending(line) and status is not None:
            waits = f"{_names(line.pending)} waits for the rollout of {status.member}"
        return Course(stable, warm=warm, held_back=self.held.get(line.name), waits=waits)

    def told(self) -> RolloutStatus | None:
        """The state with what follows from it: shares, and words for people."""
        status = self.status
        if status is None:
            return None
        steps, line = len(self.policy.steps), self.lines.get(status.member)
        under_way = status.phase in UNDER_WAY and line is not None
        answers = under_way and line is not None and line.answers(_new(status))
        share = self._step(status).traffic_percent if status.step and answers else 0
        if status.phase in ("Promoted", "Complete"):
            share = 100
        message = status.message
        if under_way and line is not None:
            message = self._words(status, line, share)
        elif status.phase == "Promoted":
            message = (
                f"everyone is told by {_names(_new(status))}; {_names(_old(status))} is kept warm "
                f"until {status.until}, and Undo returns to it at once"
            )
        state = f"{share} %" if under_way else status.phase.lower()
        return status.model_copy(
            update={
                "steps": steps,
                "traffic_percent": share,
                "progress": f"{status.member} {state}",
                "message": clip(message, 512),
            }
        )

    def _words(self, status: RolloutStatus, line: Line, share: int) -> str:
        new, old = _names(_new(status)), _names(_old(status))
        paused = "; a person has paused it, and Resume goes on" if status.paused_at else ""
        if not share and status.step:
            again = "" if paused else f"; step {status.step} begins anew when it is back"
            return f"{new} has no ready replica, so its sessions are told by {old}{again}{paused}"
        if not share:
            replicas = line.of(_new(status))
            ready, desired = (sum(counts) for counts in zip(*map(astuple, replicas), strict=True))
            why = line.fault or f"{ready} of {desired} replicas are ready"
            return f"{new} gets ready and nobody is told by it yet: {why}{paused}"
        told = (
            f"{share} % of new sessions are told by {new}, as many by {old} as its baseline; "
            f"step {status.step} of {len(self.policy.steps)}"
        )
        if paused:
            return told + paused
        last = status.step >= len(self.policy.steps)
        following = "everyone" if last else f"{self.policy.steps[status.step].traffic_percent} %"
        if status.until is None:
            return f"{told} waits for a person: Resume goes on to {following}, Abort sends it back"
        if self._over(status):
            return f"{told} is over; everyone follows when all replicas are ready"
        return f"{told}; {following} at {status.until}"


def _left(before: RolloutStatus | None) -> RolloutStatus | None:
    """What is said of the last rollout where there is no policy any more."""
    if before is None or (before.phase not in UNDER_WAY and before.phase != "Promoted"):
        return before
    why = "spec.rollout was removed: what is new is everyone's as soon as it is ready"
    return before.model_copy(update=_ended(why))


def _ended(why: str) -> dict[str, object]:
    return {
        "phase": "Complete",
        "message": why,
        "step_started_at": None,
        "paused_at": None,
        "until": None,
    }


def _new(status: RolloutStatus) -> dict[str, str]:
    return {change.name: change.canary for change in status.revisions}


def _old(status: RolloutStatus) -> dict[str, str]:
    return {change.name: change.stable for change in status.revisions}


def _names(revisions: Revisions) -> str:
    """What people call these revisions: the member's own by its name alone."""
    return ", ".join(
        rev if way == FULL else f"{way} {rev}" for way, rev in sorted(revisions.items())
    )
