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
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from controllers import pace
from controllers.conditions import Said, timestamp
from controllers.ensemble.lines import Course, Line, Revisions
from controllers.ensemble.revision import digest
from controllers.ensemble.terms import Terms
from controllers.ensemble.wording import (
    WITHOUT_PROOF,
    may_be_asked,
    names,
    new_of,
    old_of,
    told,
)
from crds.rollout import RevisionChange, Rollout, RolloutStatus

#: While these last a rollout is under way.
UNDER_WAY = {"Starting", "Stepping", "Paused"}
#: Verdicts after which nobody shall have the new revision.
SENT_BACK = {"Harm", "BrokenSplit"}
#: Seconds until the next look when a time has passed and something else is awaited.
OVERDUE = 3.0


@dataclass(frozen=True)
class Decision:
    """The next state, and what follows from it for each member."""

    status: RolloutStatus | None = None
    courses: Mapping[str, Course] = field(default_factory=dict)
    #: The answer to what a person asked.
    said: Said | None = None
    #: Seconds until time alone changes something.
    again_in: float | None = None
    #: Whether the last promotion was taken back.
    undone: bool = False
    #: Whether a person accepted how the members are.
    anchored: bool = False
    #: What waits for a person, since it does not fit into what is left of a member's margins.
    unfit: tuple[str, ...] = ()


class _RefusedError(Exception):
    """What a person asked for cannot be done; the message says why, and what can."""


def decide(
    policy: Rollout | None,
    before: RolloutStatus | None,
    lines: Sequence[Line],
    asked: str | None,
    uid: str,
    now: datetime,
    terms: Terms,
    unfit: Mapping[str, str] | None = None,
) -> Decision:
    """What becomes of a rollout.

    Args:
        policy: `spec.rollout`.
        before: the status as it was, with the verdict as it is.
        lines: members, in the order of the spec.
        asked: what a person asks now, if anything.
        uid: of the ensemble; with the rollout's number it makes the salt.
        now: the time.
        terms: what it is judged by.
        unfit: members whose margins do not fit into what is left, and why.
    """
    if policy is None:
        why = "spec.rollout is not set, so there is nothing to steer; set it with its steps"
        return Decision(_left(before), said=Said("Refused", why) if asked else None)
    turn = _Turn(policy, {line.name: line for line in lines}, before, uid, now, terms, unfit or {})
    turn.follow_the_spec()
    turn.heed_the_verdict()
    turn.heed_the_watch()
    said = turn.obey(asked) if asked else None
    turn.let_time_pass()
    turn.begin_the_next()
    turn.tell()
    return Decision(
        status=turn.status,
        courses={name: turn.course(line) for name, line in turn.lines.items()},
        said=said,
        again_in=turn.wait(),
        undone=turn.undone,
        anchored=turn.anchored,
        unfit=tuple(f"{line.name}: {turn.unfit[line.name]}" for line in turn.waiting_for_margin()),
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
        terms: Terms,
        unfit: Mapping[str, str],
    ) -> None:
        self.policy = policy
        self.lines = lines
        self.status = before
        self.number = before.number if before else 0
        self.uid = uid
        self.now = now
        self.terms = terms
        self.unfit = unfit
        self.undone = self.anchored = False
        self.held = {line.name: line.held_back for line in lines.values() if line.held}

    def follow_the_spec(self) -> None:
        """The newest wish wins."""
        status = self.status
        if status is None or (status.phase not in UNDER_WAY and status.phase != "Promoted"):
            return
        line = self.lines.get(status.member)
        if line is None or not line.stable:
            self._set(status, **_ended(f"{status.member} was removed or stopped"))
        elif status.phase == "Promoted":
            if line.pending and line.pending == old_of(status) and line.answers(old_of(status)):
                self._undo("the spec returned to it")
            elif line.pending and line.name not in self.unfit:
                self._begin(line)
        elif not line.pending:
            self._finish("Aborted", f"the spec returned to {names(old_of(status))}")
        elif line.name in self.unfit:
            self._finish("Aborted", self.unfit[line.name])
        elif line.pending != new_of(status):
            self._begin(line)
        elif status.plan != self.terms.digest and self.terms.fault is None:
            if status.step:
                self._begin(line)
            else:
                self._set(status, plan=self.terms.digest)

    def heed_the_verdict(self) -> None:
        """What is worse goes back at once, whatever else is asked; what is not known by now waits
        for a person, or goes back too."""
        status = self.status
        if status is None or status.phase not in UNDER_WAY or status.verdict is None:
            return
        kind = status.verdict.kind
        open_end = kind == "Inconclusive"
        if kind in SENT_BACK or (open_end and self.policy.when_inconclusive == "RollBack"):
            self._hold_back(status)
            self._finish("Aborted", status.verdict.message)
        elif open_end and status.paused_at is None:
            self._set(status, phase="Paused", paused_at=timestamp(self.now), until=None)

    def heed_the_watch(self) -> None:
        """What drifted from what promotion promised goes back, if that is still warm."""
        status = self.status
        if status is None or status.phase != "Promoted" or not (status.watch and self._returns):
            return
        if status.watch.drifted and self.lines[status.member].answers(old_of(status)):
            self._hold_back(status)
            self._undo(status.watch.message)

    @property
    def _returns(self) -> bool:
        return self.policy.when_drifting == "RollBack"

    def obey(self, action: str) -> Said:
        """Do what a person asks, or say why not."""
        try:
            return Said("Done", self._act(action))
        except _RefusedError as refusal:
            return Said("Refused", str(refusal))

    def _act(self, action: str) -> str:
        if action == "Retry":
            return self._retry()
        if action == "Anchor":
            self.unfit, self.anchored = {}, True
            return "what promotions may cost is counted from how the members are today"
        status = self.status
        if status is None:
            raise _RefusedError("there was no rollout yet; change a member and one begins")
        if action == "Undo":
            return self._undo_if_warm(status)
        if status.phase not in UNDER_WAY:
            raise _RefusedError(f"no rollout is under way: {status.message}")
        if action == "Abort":
            self._hold_back(status)
            old = names(old_of(status))
            self._finish("Aborted", f"a person sent {names(new_of(status))} back")
            return f"everyone is told by {old} again"
        if action == "Pause":
            paused_at = status.paused_at or timestamp(self.now)
            self._set(status, phase="Paused", paused_at=paused_at, until=None)
            return "it stays where it is until Resume"
        if action == "Resume" and status.paused_at is not None:
            if status.verdict and status.verdict.kind == "Inconclusive":
                raise _RefusedError(f"{status.verdict.message}; {WITHOUT_PROOF}")
            self._set(status, paused_at=None, step_started_at=self._begun_later(status))
            return "it goes on"
        if action == "Promote":
            self._promote(status)
            unproven = "" if self._proven(status) else ", without proof"
            return f"everyone is told by {names(new_of(status))}{unproven}"
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
        old, line = old_of(status), self.lines.get(status.member)
        if status.phase in UNDER_WAY:
            raise _RefusedError("it is still under way; Abort sends everyone back")
        if status.phase != "Promoted" or line is None:
            raise _RefusedError(
                f"{names(old)} is not kept warm ({status.phase}); give {status.member} its old "
                "spec, and it is rolled out"
            )
        if not line.answers(old):
            raise _RefusedError(f"{names(old)} has no ready replica now; ask again when it has")
        self._hold_back(status)
        self._undo("a person undid it")
        return f"everyone is told by {names(old)} again"

    def let_time_pass(self) -> None:
        """Go on as far as readiness and the time allow: one step at most."""
        status = self.status
        if status is None:
            return
        if status.phase == "Promoted" and self._over(status):
            why = f"{names(new_of(status))} is everyone's; {names(old_of(status))} was let go"
            self._set(status, **_ended(why))
        last = len(self.policy.steps)
        if status.phase not in UNDER_WAY:
            return
        if status.step > last:  # steps were taken out; the last one begins anew
            status = self._set(status, step=last, step_started_at=None)
        if status.paused_at is not None:
            return
        line, new = self.lines[status.member], new_of(status)
        if self.terms.fault or not (line.answers(new) if status.step else line.complete(new)):
            self._set(status, phase="Starting", step_started_at=None, until=None)
        elif status.step_started_at is None:
            self._enter(status, max(status.step, 1))
        else:
            stays = self._stay(status)
            ends = status.step < last or (line.complete(new) and self._proven(stays))
            if self._over(stays) and ends:
                self._next_step(stays)

    def begin_the_next(self) -> None:
        """One member at a time, in the order of the spec."""
        if self.status and (self.status.phase in UNDER_WAY or self.status.phase == "Promoted"):
            return
        for line in self.lines.values():
            if line.pending and line.name not in self.held and line.name not in self.unfit:
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
            plan=self.terms.digest,
        )

    def _enter(self, status: RolloutStatus, step: int) -> None:
        self._stay(status.model_copy(update={"step": step, "step_started_at": timestamp(self.now)}))

    def _stay(self, status: RolloutStatus) -> RolloutStatus:
        """In its step, whose length is what the spec says now."""
        minutes = self.policy.steps[status.step - 1].pause_minutes
        if minutes is None or status.step_started_at is None:
            return self._set(status, phase="Paused", until=None)
        until = timestamp(pace.ends(status.step_started_at, minutes))
        return self._set(status, phase="Stepping", until=until)

    def _next_step(self, status: RolloutStatus) -> None:
        if status.step >= len(self.policy.steps):
            if not self._proven(status):
                said = status.verdict.message if status.verdict else "no session was judged yet"
                raise _RefusedError(f"{said}; {WITHOUT_PROOF}")
            self._promote(status)
            return
        new = new_of(status)
        if not self.lines[status.member].answers(new):
            raise _RefusedError(f"{names(new)} has no ready replica now; ask again when it has")
        self._enter(status.model_copy(update={"paused_at": None}), status.step + 1)

    def _promote(self, status: RolloutStatus) -> None:
        new = new_of(status)
        if not self.lines[status.member].complete(new):
            raise _RefusedError(
                f"not all replicas of {names(new)} are ready; ask again when they are"
            )
        self._move(status.member, new)
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
        self._move(self.status.member, old_of(self.status))
        self._finish("Undone", why)
        self.undone = True

    def _finish(self, phase: str, why: str) -> None:
        assert self.status is not None  # noqa: S101  (callers have looked)
        why += f"; everyone is told by {names(old_of(self.status))}"
        if self.status.member in self.held:
            why += "; Retry rolls it out again, or change the member"
        self._set(self.status, **{**_ended(why), "phase": phase})

    def _hold_back(self, status: RolloutStatus) -> None:
        self.held[status.member] = digest(new_of(status))

    def _set(self, status: RolloutStatus, **changes: object) -> RolloutStatus:
        self.status = status.model_copy(update=changes)
        return self.status

    def _begun_later(self, status: RolloutStatus) -> str | None:
        """The step's beginning, moved by the time for which it was paused."""
        if status.step_started_at is None or status.paused_at is None:
            return status.step_started_at
        return pace.begun_later(status.step_started_at, status.paused_at, self.now)

    def _proven(self, status: RolloutStatus) -> bool:
        """Whether everyone may follow without a person's word: every guardrail holds."""
        if not self.policy.guardrails:
            return True
        return status.verdict is not None and status.verdict.kind == "Proven"

    def _over(self, status: RolloutStatus) -> bool:
        return status.until is not None and datetime.fromisoformat(status.until) <= self.now

    def _move(self, member: str, revisions: Revisions) -> None:
        """Give everyone these."""
        line = self.lines[member]
        self.lines[member] = replace(line, stable={**line.stable, **revisions})

    def tell(self) -> None:
        """Say where it stands."""
        if self.status is not None:
            line = self.lines.get(self.status.member) if self.status.phase in UNDER_WAY else None
            over = self._over(self.status)
            self.status = told(self.status, line, self.policy, over, self.terms.fault)

    def wait(self) -> float | None:
        """Seconds until time alone changes something. What is over waits for something else."""
        if self.status is None or self.status.until is None:
            return None
        left = (datetime.fromisoformat(self.status.until) - self.now).total_seconds()
        return left if left > 0 else OVERDUE

    def waiting_for_margin(self) -> list[Line]:
        """Members that changed, and whose rollout does not begin."""
        return [
            line
            for line in self.lines.values()
            if line.pending and line.name in self.unfit and line.name not in self.held
        ]

    def course(self, line: Line) -> Course:
        """What a member runs in this state."""
        status = self.status
        mine = status is not None and status.member == line.name
        if mine and status is not None and status.phase in UNDER_WAY:
            asked = may_be_asked(status, line, self.terms.fault)
            return Course(line.stable, new_of(status), asked)
        warm = old_of(status) if mine and status and status.phase == "Promoted" else {}
        waits = None
        if line.name in self.held:
            waits = f"{names(line.pending)} was sent back; Retry, or change the member"
        elif line.pending and line.name in self.unfit:
            waits = self.unfit[line.name]
        elif line.pending and status is not None:
            waits = f"{names(line.pending)} waits for the rollout of {status.member}"
        return Course(line.stable, warm=warm, held_back=self.held.get(line.name), waits=waits)


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
