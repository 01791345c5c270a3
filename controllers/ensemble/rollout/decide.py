"""How a changed member reaches players: the state machine of `spec.rollout`.

Pure: the status as it was, the members as they are, what a person asks and the time go in; the next
status and what each member runs come out. Every moment that matters stands in the status, so that
an operator that is killed at any write comes to the same. What the words become in pods is
`members`, what gateways are told is `routes`.

    Starting -> Stepping | Paused -> Promoting -> Promoted -> Complete
            \\-----------\\------ Aborted      \\- Returning -> Undone

The newest wish wins: a spec that changes in the middle begins a new rollout, one that returns to
what players have ends it, and a person's word is carried out or refused, once, and never lingers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from controllers import pace
from controllers.conditions import Said, timestamp
from controllers.ensemble.revision import digest
from controllers.ensemble.rollout import capacity
from controllers.ensemble.rollout.lines import Course, Line, Revisions
from controllers.ensemble.rollout.smoke import Smoke
from controllers.ensemble.rollout.terms import Terms
from controllers.ensemble.rollout.wording import (
    WITHOUT_PROOF,
    may_be_asked,
    names,
    new_of,
    old_of,
    soon,
    told,
    worse,
)
from controllers.freeze import Frozen
from crds.ensemble import FULL
from crds.rollout import RevisionChange, Rollout, RolloutStatus

#: While these last a rollout is under way.
UNDER_WAY = {"Starting", "Stepping", "Paused", "Promoting"}
#: While these last everyone has the new revision, and the next rollout waits.
AFTER = {"Promoted", "Returning"}
#: Verdicts after which nobody shall have the new revision.
SENT_BACK = {"Harm", "BrokenSplit"}
#: What a person says so that it goes on, which holds in a freeze too.
ONWARD = {"Promote", "SkipStep", "Resume", "Retry"}
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
    #: Whether the new revision is to be asked its first question.
    asks: bool = False
    #: Whether nothing but the end of a freeze is awaited.
    frozen: bool = False
    #: The freeze in which a person had it go on.
    overridden: Frozen | None = None


@dataclass(frozen=True)
class Around:
    """What else there is to know of a rollout."""

    #: Members whose margins do not fit into what is left, and why.
    unfit: Mapping[str, str] = field(default_factory=dict)
    #: What came of the first question, if that was asked.
    smoke: Smoke | None = None
    #: The freeze in which nothing begins by itself, if one is in force.
    frozen: Frozen | None = None
    #: The revision that a person wants back.
    to: str | None = None


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
    around: Around | None = None,
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
        around: what else there is to know.
    """
    if policy is None:
        why = "spec.rollout is not set, so there is nothing to steer; set it with its steps"
        return Decision(_left(before), said=Said("Refused", why) if asked else None)
    turn = _Turn(
        policy, {line.name: line for line in lines}, before, uid, now, terms, around or Around()
    )
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
        asks=turn.asks,
        frozen=turn.frozen is not None and turn.rests,
        overridden=turn.around.frozen if turn.frozen is None else None,
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
        around: Around,
    ) -> None:
        self.policy = policy
        self.lines = lines
        self.status = before
        self.before = self.number = before.number if before else 0
        self.uid = uid
        self.now = now
        self.terms = terms
        self.around = around
        self.unfit = around.unfit
        self.smoke = around.smoke
        self.frozen = around.frozen
        self.asks = self.undone = self.anchored = False
        self.held = {
            line.name: line.held_back
            for line in lines.values()
            if line.held or (before is not None and _is_returning(line, before))
        }

    def follow_the_spec(self) -> None:
        """The newest wish wins."""
        status = self.status
        if status is None or status.phase not in UNDER_WAY | AFTER:
            return
        line = self.lines.get(status.member)
        if line is None or not line.stable:
            self._set(status, **_ended(f"{status.member} was removed or stopped"))
        elif status.phase == "Promoted":
            if line.pending and line.pending == old_of(status):
                self._return()
            elif line.pending and not self._hindered(line):
                self._begin(line)
        elif status.phase == "Returning":
            if not line.pending and line.name not in self.held:
                self._set(status, **_ended(f"the spec returned to {names(new_of(status))}"))
            elif line.pending not in ({}, old_of(status)) and not (
                line.held or self._hindered(line)
            ):
                self._begin(line)
        elif not line.pending:
            self._finish("Aborted", f"the spec returned to {names(old_of(status))}")
        elif line.name in self.unfit:
            self._finish("Aborted", self.unfit[line.name])
        elif line.pending != new_of(status):
            if hindered := self._hindered(line):
                self._finish("Aborted", hindered)
            else:
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
        elif open_end and status.paused_at is None and status.phase != "Promoting":
            self._set(status, phase="Paused", paused_at=timestamp(self.now), until=None)

    def heed_the_watch(self) -> None:
        """What drifted from what promotion promised goes back, if that is still warm."""
        status = self.status
        if status is None or status.phase != "Promoted" or not (status.watch and self._returns):
            return
        if status.watch.drifted:
            self._hold_back(status)
            self._return()

    @property
    def _returns(self) -> bool:
        return self.policy.when_drifting == "RollBack"

    def obey(self, action: str) -> Said:
        """Do what a person asks, or say why not. It is done in a freeze too, and says so."""
        frozen = self.frozen
        if action in ONWARD:
            self.frozen = None
        try:
            done = self._act(action)
        except _RefusedError as refusal:
            self.frozen = frozen
            return Said("Refused", str(refusal))
        inside = f", though {frozen.words}" if frozen and self.frozen is None else ""
        return Said("Done", f"{done}{inside}")

    def _act(self, action: str) -> str:
        if action == "Retry":
            return self._retry()
        if action == "ReturnTo":
            return self._return_to(self.around.to)
        if action == "Anchor":
            self.unfit, self.anchored = {}, True
            return "what promotions may cost is counted from how the members are today"
        status = self.status
        if status is None:
            raise _RefusedError("there was no rollout yet; change a member and one begins")
        if action == "Undo":
            return self._undo(status)
        if status.phase not in UNDER_WAY:
            raise _RefusedError(f"no rollout is under way: {status.message}")
        if action == "Abort":
            self._hold_back(status)
            old = names(old_of(status))
            self._finish("Aborted", f"a person sent {names(new_of(status))} back")
            return f"everyone is told by {old} again"
        if status.phase == "Promoting":
            raise _RefusedError(f"{status.message}; Abort sends it back")
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
            unproven = "" if self._proven(status) else ", without proof"
            self._must_answer(status)
            self._promote(status)
            soon = "will be" if self._phase == "Promoting" else "is"
            return f"everyone {soon} told by {names(new_of(status))}{unproven}"
        if action == "Resume" and status.phase != "Paused":
            raise _RefusedError("it is not paused; SkipStep goes on to the next step")
        if status.step == 0:
            if action == "SkipStep" and self._fits(status, 1) and self._answered(status):
                self._enter(status, 1)
                return "it begins"
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

    def _undo(self, status: RolloutStatus) -> str:
        old = names(old_of(status))
        if status.phase in UNDER_WAY:
            raise _RefusedError("it is still under way; Abort sends everyone back")
        if status.phase == "Returning":
            raise _RefusedError(f"that was asked for already: {status.message}")
        if status.phase != "Promoted" or status.member not in self.lines:
            raise _RefusedError(
                f"{old} is not kept warm ({status.phase}); give {status.member} its old spec, and "
                "it is rolled out, or ReturnTo starts it again"
            )
        self._hold_back(status)
        self._return()
        if self._phase == "Undone":
            return f"everyone is told by {old} again"
        return f"everyone is told by {old} again {soon(status)}"

    def _return_to(self, to: str | None) -> str:
        """Everyone gets a stored revision again, and keeps it until the member changes: what was
        sent back is what the spec asks for."""
        status = self.status
        found = [(line, way) for line in self.lines.values() for way in line.returnable]
        if not found:
            raise _RefusedError(
                f"{to} is not stored, or its model or key is not there any more; fabula rollout "
                "history shows what is stored"
            )
        ((line, way),) = found
        had = line.stable[way]
        mine = status is not None and (status.member, status.phase) == (line.name, "Promoted")
        if status and self._busy and not mine:
            raise _RefusedError(f"the rollout of {status.member} comes first: {status.message}")
        if status and mine and old_of(status) == {way: to}:
            return self._undo(status)
        if to in (had, line.wanted[way]) or to is None:
            told = "everyone has it" if to == had else "the spec asks for it; Retry rolls it out"
            raise _RefusedError(f"{to} needs no return: {told}")
        if self.policy.surge == 0 and line.at(way, had).desired == 1:
            raise _RefusedError(
                f"surge 0 takes its place from {had}, and {line.name} has one replica; set surge "
                "to 1"
            )
        self._begin(line, [RevisionChange(name=way, stable=to, canary=had)])
        stable = {**line.stable, way: to}
        self.held[line.name] = digest(
            {each: rev for each, rev in line.wanted.items() if rev != stable[each]}
        )
        self._return()
        return f"everyone is told by {names({way: to})} again as soon as it is ready"

    def let_time_pass(self) -> None:
        """Go on as far as readiness and the time allow: one step at most."""
        status = self.status
        line = self.lines.get(status.member) if status else None
        if status is None:
            return
        if status.phase == "Returning":
            self._return()
            if self._phase == "Returning" and self._over(status):
                self._give_up(status)
        elif status.phase == "Promoted" and self._over(status):
            if line is None or line.complete(new_of(status)):
                why = f"{names(new_of(status))} is everyone's; {names(old_of(status))} was let go"
                self._set(status, **_ended(why))
        elif status.phase in UNDER_WAY and line is not None:
            if status.step > len(self.policy.steps):  # some were taken out; the last begins anew
                last = len(self.policy.steps)
                status = self._set(status, step=last, step_started_at=None)
            if status.phase == "Promoting":
                self._promote(status)
            elif status.paused_at is None:
                self._go_on(status, line)

    def _go_on(self, status: RolloutStatus, line: Line) -> None:
        """Begin the step, stay in it, or end it."""
        new, last = new_of(status), len(self.policy.steps)
        step = max(status.step, 1)
        enough = line.answers(new) if status.step_started_at else self._fits(status, step)
        if self.terms.fault:
            self._set(status, phase="Starting", step_started_at=None, until=None)
            return
        if not enough or not (status.step or self._answered(status)):
            self._wait_until_ready(status)
            return
        if status.ready_seconds is None:
            took = self.now - datetime.fromisoformat(status.started_at)
            status = self._set(status, ready_seconds=int(took.total_seconds()))
        if status.step == 0 and self.frozen:
            self._set(status, phase="Starting", until=None)
        elif status.step_started_at is None:
            self._enter(status, step)
        else:
            stays = self._stay(status)
            if (
                self.frozen is None
                and self._over(stays)
                and (status.step < last or self._proven(stays))
            ):
                self._next_step(stays)

    def _answered(self, status: RolloutStatus) -> bool:
        """Whether the new revision, which is ready, has answered its first question."""
        known = self.smoke if self.smoke and self.smoke.salt == status.salt else None
        self.asks = known is None or not (known.answered or known.failed)
        return known is not None and known.answered

    def _wait_until_ready(self, status: RolloutStatus) -> None:
        """For a while: what gets nowhere is sent back."""
        failed = self.smoke.failed if self.smoke and self.smoke.salt == status.salt else None
        minutes = self.policy.progress_deadline_minutes
        waits = status.phase == "Starting" and status.until is not None
        if failed or (waits and self._over(status)):
            late = f"{names(new_of(status))} was not ready within {minutes} minutes"
            if (line := self.lines[status.member]).fault:
                late = f"{late}: {line.fault}"
            self._hold_back(status)
            self._finish("Aborted", failed or late)
        elif not waits:
            until = timestamp(self.now + timedelta(minutes=minutes))
            self._set(status, phase="Starting", step_started_at=None, until=until)

    def begin_the_next(self) -> None:
        """One member at a time, in the order of the spec."""
        if self._busy:
            return
        for line in self.lines.values():
            if line.pending and line.name not in self.held and not self._hindered(line):
                self._begin(line)
                self.let_time_pass()
                return

    def _hindered(self, line: Line) -> str | None:
        """Why no rollout of what is pending may begin."""
        if line.name in self.unfit:
            return self.unfit[line.name]
        if self.frozen:
            return f"{names(line.pending)} waits: {self.frozen.words}"
        return self._crowded(line)

    def _crowded(self, line: Line) -> str | None:
        """Why there is no place for what is pending."""
        way = line.alone if self.policy.surge == 0 else None
        if way is None:
            return None
        whose = line.name if way == FULL else f"{line.name}/{way}"
        return (
            f"{names(line.pending)} is not rolled out: spec.rollout.surge 0 takes its place from "
            f"the old revision, and {whose} has one replica; raise its scaling.minReplicas to 2, "
            "or set surge to 1"
        )

    def _give_up(self, status: RolloutStatus) -> None:
        """The old revision does not come back."""
        self.held.pop(status.member, None)
        minutes = self.policy.progress_deadline_minutes
        late = f"{names(old_of(status))} was not ready within {minutes} minutes"
        late += f"; everyone stays with {names(new_of(status))}{worse(status)}"
        self._set(status, **_ended(late))

    def _begin(self, line: Line, changes: list[RevisionChange] | None = None) -> None:
        """A rollout of these changes; without any, of what is pending."""
        self.number += 1
        changes = changes or [
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

    def _fits(self, status: RolloutStatus, step: int) -> bool:
        """Whether the new revision has the replicas for the share of a step."""
        return self.lines[status.member].has(new_of(status), self._tried(status, step))

    def _tried(self, status: RolloutStatus, step: int) -> dict[str, int]:
        percent = self.policy.steps[step - 1].traffic_percent
        line = self.lines[status.member]
        return line.part(new_of(status), old_of(status), lambda n: capacity.tried(n, percent))

    def _handed(self, to: Revisions, from_: Revisions) -> dict[str, int]:
        assert self.status is not None  # noqa: S101  (callers have looked)
        line, surge = self.lines[self.status.member], self.policy.surge
        return line.part(to, from_, lambda n: capacity.handed(n, surge))

    def _stay(self, status: RolloutStatus) -> RolloutStatus:
        """In its step, whose length is what the spec says now."""
        minutes = self.policy.steps[status.step - 1].pause_minutes
        if minutes is None or status.step_started_at is None:
            return self._set(status, phase="Paused", until=None)
        until = timestamp(pace.ends(status.step_started_at, minutes))
        return self._set(status, phase="Stepping", until=until)

    def _next_step(self, status: RolloutStatus) -> None:
        last = status.step >= len(self.policy.steps)
        if last and not self._proven(status):
            said = status.verdict.message if status.verdict else "no session was judged yet"
            raise _RefusedError(f"{said}; {WITHOUT_PROOF}")
        self._must_answer(status)
        if last:
            self._promote(status)
            return
        status = status.model_copy(update={"paused_at": None})
        if self._fits(status, status.step + 1):
            self._enter(status, status.step + 1)
        else:
            more = {"step": status.step + 1, "step_started_at": None, "until": None}
            self._set(status, phase="Starting", **more)

    def _must_answer(self, status: RolloutStatus) -> None:
        new = new_of(status)
        if not self.lines[status.member].answers(new):
            raise _RefusedError(f"{names(new)} has no ready replica now; ask again when it has")

    def _promote(self, status: RolloutStatus) -> None:
        """Everyone gets the new revision, as soon as it has the replicas for them."""
        new = new_of(status)
        if not self.lines[status.member].has(new, self._handed(new, old_of(status))):
            self._set(status, phase="Promoting", paused_at=None, until=None)
            return
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

    def _return(self) -> None:
        """Everyone gets the old revision again, as soon as it has the replicas for them."""
        assert self.status is not None  # noqa: S101  (callers have looked)
        member, old = self.status.member, old_of(self.status)
        if self.lines[member].has(old, self._handed(old, new_of(self.status))):
            self._move(member, old)
            self._finish("Undone", self._why_undone(self.status))
            self.undone = self.status.number == self.before
        elif self.status.phase != "Returning" or self.status.until is None:
            minutes = timedelta(minutes=self.policy.progress_deadline_minutes)
            self._set(self.status, phase="Returning", until=timestamp(self.now + minutes))

    def _why_undone(self, status: RolloutStatus) -> str:
        if status.member not in self.held:
            return "the spec returned to it"
        drifted = self._returns and status.watch and status.watch.drifted
        return status.watch.message if status.watch and drifted else "a person undid it"

    @property
    def rests(self) -> bool:
        """Whether no pod is awaited."""
        moves = self._phase in {"Promoting", "Returning"}
        waits = self._phase == "Starting" and self.status and self.status.until
        return not (moves or waits)

    @property
    def _busy(self) -> bool:
        """Whether the next rollout has to wait for this one."""
        return self._phase in UNDER_WAY | AFTER

    @property
    def _phase(self) -> str | None:
        return self.status.phase if self.status else None

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
            going_on = self.status.phase in UNDER_WAY | AFTER
            line = self.lines.get(self.status.member) if going_on else None
            over = self._over(self.status)
            counts = self._counts(self.status) if line else {}
            self.status = told(
                self.status, line, self.policy, over, counts, self.terms.fault, self._awaited()
            )

    def _awaited(self) -> str | None:
        """What is waited for where there are replicas enough."""
        if self.asks:
            return "it is asked a first question"
        return self.frozen.words if self.frozen else None

    def wait(self) -> float | None:
        """Seconds until time alone changes something. What is over waits for something else."""
        moments = []
        if self.status is not None and self.status.until is not None:
            moments.append(datetime.fromisoformat(self.status.until))
        if self.frozen and self.frozen.until:
            # Nothing that is over before goes on before.
            moments = [at for at in moments if at > self.now] + [self.frozen.until]
        lefts = [(at - self.now).total_seconds() for at in moments]
        return min((left if left > 0 else OVERDUE for left in lefts), default=None)

    def _counts(self, status: RolloutStatus) -> dict[str, int]:
        """Replicas of what is tried out or may be returned to."""
        new, old, surge = new_of(status), old_of(status), self.policy.surge
        if status.phase == "Promoting":
            return self._handed(new, old)
        if status.phase == "Returning":
            return self._handed(old, new)
        if status.phase == "Promoted":
            return self.lines[status.member].part(old, new, lambda n: capacity.spare(n, surge))
        return self._tried(status, max(status.step, 1))

    def waiting_for_margin(self) -> list[Line]:
        """Members that changed, and whose rollout does not begin."""
        return [
            line
            for line in self.lines.values()
            if line.pending and line.name in self.unfit and line.name not in self.held
        ]

    def course(self, line: Line) -> Course:
        """What a member runs in this state."""
        course = Course(line.stable, surge=self.policy.surge, held_back=self.held.get(line.name))
        status = self.status
        if status and status.member == line.name and status.phase in UNDER_WAY | AFTER:
            course = replace(course, counts=self._counts(status))
            if status.phase in UNDER_WAY:
                return replace(
                    course,
                    canary=new_of(status),
                    asked=may_be_asked(status, line, self.terms.fault),
                )
            course = replace(course, warm=old_of(status))
        waits, crowded = None, self._crowded(line)
        if line.name in self.held:
            waits = f"{names(line.pending)} was sent back; Retry, or change the member"
        elif line.pending and line.name in self.unfit:
            waits = self.unfit[line.name]
        elif crowded:
            waits = crowded
        elif line.pending and self.frozen and not self._busy:
            waits = self._hindered(line)
        elif line.pending and status is not None:
            waits = f"{names(line.pending)} waits for the rollout of {status.member}"
        stuck = line.name in self.held or crowded is not None
        return replace(course, waits=waits, stuck=stuck)


def _is_returning(line: Line, status: RolloutStatus) -> bool:
    """Whether a person has sent back what everyone has until the old revision is there."""
    mine = status.phase == "Returning" and status.member == line.name
    return mine and line.held_back is not None


def _left(before: RolloutStatus | None) -> RolloutStatus | None:
    """What is said of the last rollout where there is no policy any more."""
    if before is None or before.phase not in UNDER_WAY | AFTER:
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
