"""How an experiment reaches players: its state machine.

Pure: the status as it was, with the verdict as it is, what a person asks and the time go in; the
next status comes out. Every moment that matters stands in the status, so that an operator that is
killed at any write comes to the same. What gateways are told of it is `trials`.

    Waiting -> Running | Paused | AwaitingApproval -> Promoting -> Promoted
       \\-- Invalid      \\--- RolledBack, Inconclusive

What ends it, but for a person's Approve or proof, leaves everyone with what they had before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from controllers import pace
from controllers.conditions import Said, clip, timestamp
from controllers.ensemble.revision import digest
from controllers.experiment.takeover import Takeover
from controllers.experiment.terms import Terms
from controllers.experiment.wording import changes_of, foretold, told
from crds.experiment import (
    RUNNING,
    EvolutionExperimentSpec,
    EvolutionExperimentStatus,
    Logged,
)

ENDED = {"Promoted", "RolledBack", "Inconclusive"}
#: Verdicts after which nobody shall be in its arms.
HARMFUL = {"Harm", "BrokenSplit"}
#: What a person says so that it goes on, which holds in a freeze too.
ONWARD = {"Approve", "SkipStep", "Resume", "Retry"}
#: Lines of the log that are kept.
LINES = 20
#: What is said of the experiment and not of a run.
_KEPT = ("conditions", "request", "last_request", "log", "required_pairs")


@dataclass(frozen=True)
class Decision:
    """The next state, and the answer to what a person asked."""

    status: EvolutionExperimentStatus
    said: Said | None = None
    #: Whether a person had it go on in a freeze.
    overridden: bool = False
    #: Seconds until time alone changes something.
    again_in: float | None = None


class _RefusedError(Exception):
    """What a person asked for cannot be done; the message says why, and what can."""


def decide(
    spec: EvolutionExperimentSpec,
    before: EvolutionExperimentStatus,
    terms: Terms,
    place: Takeover,
    asked: str | None,
    uid: str,
    now: datetime,
) -> Decision:
    """What becomes of an experiment.

    Args:
        spec: what is wanted.
        before: the status as it was, with the verdict as it is.
        terms: what it changes and is judged by now.
        place: what becomes of what is proven, where it is to hold.
        asked: what a person asks now, if anything.
        uid: of the experiment; with the number of the run it makes the salt.
        now: the time.
    """
    turn = _Turn(spec, before, terms, place, uid, now)
    turn.follow_the_spec()
    turn.follow_the_place()
    turn.heed_the_verdict()
    said = turn.obey(asked) if asked else None
    turn.let_time_pass()
    status = told(turn.status, spec, terms)
    moments = []
    if status.phase == "Running" and status.until is not None:
        moments.append(datetime.fromisoformat(status.until))
    if status.phase in {"Running", "Waiting"} and terms.frozen and terms.frozen.until:
        moments.append(terms.frozen.until)
    left = [seconds for at in moments if (seconds := (at - now).total_seconds()) > 0]
    overridden = terms.frozen is not None and turn.frozen is None
    return Decision(status, said, overridden, min(left, default=None))


class _Turn:
    """One pass through the machine. ``status`` is the state, moved from one to the next."""

    def __init__(
        self,
        spec: EvolutionExperimentSpec,
        before: EvolutionExperimentStatus,
        terms: Terms,
        place: Takeover,
        uid: str,
        now: datetime,
    ) -> None:
        self.spec = spec
        self.status = before
        self.terms = terms
        #: The freeze that holds it, unless a person has it go on.
        self.frozen = terms.frozen
        self.place = place
        self.uid = uid
        self.now = now
        self.steps: Sequence[int] = spec.how.steps

    def follow_the_spec(self) -> None:
        """What may not run ends; what is another experiment now begins anew."""
        status, terms = self.status, self.terms
        if status.phase in RUNNING:
            if terms.fault:
                self._end("Invalid", f"it ended: {terms.fault}")
            elif terms.digest is None or terms.waits:
                self._end("Waiting", f"it begins anew: {terms.waits}")
            elif terms.digest != status.plan:
                self._end("Waiting", "it begins anew: what it is about or judged by was edited")
        elif (
            status.phase is None
            or status.phase == "Invalid"
            or (status.phase in ENDED and status.spec_digest != terms.spec_digest)
        ):
            self._set(phase="Waiting")

    def follow_the_place(self) -> None:
        """Promoted is what stands in the status of the World or the Storyteller itself."""
        if self.status.phase != "Promoting":
            return
        if self.place.taken:
            self._end("Promoted", f"everyone has {changes_of(self.status)}")
        elif self.place.refusals:
            self._end("RolledBack", f"what held before stays: {'; '.join(self.place.refusals)}")

    def heed_the_verdict(self) -> None:
        """What is worse ends at once, whatever else is asked; what is not known by now waits for a
        person, or ends too."""
        status = self.status
        if status.phase not in RUNNING or status.verdict is None:
            return
        kind = status.verdict.kind
        if kind in HARMFUL:
            self._end("RolledBack", status.verdict.message)
        elif kind == "Inconclusive" and self.spec.when_inconclusive == "RollBack":
            self._end("Inconclusive", status.verdict.message)
        elif kind == "Inconclusive" and status.paused_at is None:
            self._pause(f"it is paused: {status.verdict.message}")
        elif status.phase == "AwaitingApproval" and kind != "Proven":
            self._set(phase="Running")

    def obey(self, action: str) -> Said:
        """Do what a person asks, or say why not. It is done in a freeze too, and says so."""
        try:
            done = self._act(action)
        except _RefusedError as refused:
            return Said("Refused", str(refused))
        if self.frozen is None or action not in ONWARD:
            return Said("Done", done)
        inside, self.frozen = self.frozen.words, None
        return Said("Done", f"{done}, though {inside}")

    def _act(self, action: str) -> str:
        status = self.status
        if action == "Retry":
            if status.phase not in {"RolledBack", "Inconclusive"}:
                raise _RefusedError(
                    f"only what ended without promotion begins again: {self._standing}"
                )
            self._set(phase="Waiting")
            return "it begins again"
        if status.phase == "Waiting" and action == "Abort":
            self._end("RolledBack", "a person ended it before it began")
            return "it does not begin; Retry lets it"
        if status.phase not in RUNNING:
            raise _RefusedError(f"it is not running: {self._standing}")
        if action == "Abort":
            self._end("RolledBack", "a person ended it")
            return "it ended, and nobody is in its arms any more"
        if action == "Pause":
            if status.paused_at is None:
                self._pause("a person paused it")
            return "it stays where it is until Resume"
        if action == "Resume":
            return self._resume()
        if action == "Approve":
            if status.phase != "AwaitingApproval":
                raise _RefusedError(f"there is nothing to approve yet: {self._standing}")
            self._promote("a person approved it")
            return "everyone gets it"
        if status.step >= len(self.steps):
            raise _RefusedError("this is the last step, and everyone follows when it is proven")
        self._enter(status.step + 1)
        return "it goes on"

    def _resume(self) -> str:
        status = self.status
        if status.paused_at is None or status.step_started_at is None:
            raise _RefusedError("it is not paused; SkipStep goes on to the next step")
        if status.verdict and status.verdict.kind == "Inconclusive":
            raise _RefusedError(
                f"{status.verdict.message}; Abort ends it, and Retry then begins it again"
            )
        later = pace.begun_later(status.step_started_at, status.paused_at, self.now)
        self._set(phase="Running", paused_at=None, step_started_at=later)
        self._log("a person let it go on")
        return "it goes on"

    def let_time_pass(self) -> None:
        """Go on as far as the time and the proof allow: one step at most."""
        status = self.status
        if status.phase == "Waiting":
            if self.terms.fault:
                self._set(phase="Invalid")
            elif self.terms.digest and not self.terms.waits and not self.frozen:
                self._begin()
            return
        if status.phase != "Running" or status.step_started_at is None:
            return
        minutes = self.spec.how.step_minutes
        self._set(until=timestamp(pace.ends(status.step_started_at, minutes)))
        if not pace.is_over(status.step_started_at, minutes, None, self.now):
            return
        asks = status.step >= len(self.steps) and self.spec.needs_approval
        if self.frozen and not asks:  # a person may be asked in a freeze
            return
        if status.step < len(self.steps):
            self._enter(status.step + 1)
        elif status.verdict and status.verdict.kind == "Proven":
            if self.spec.needs_approval:
                self._set(phase="AwaitingApproval", until=None)
                self._log(f"it is proven and awaits a person's word: {status.verdict.message}")
            else:
                self._promote("it is proven")

    def _begin(self) -> None:
        number = self.status.number + 1
        self.status = EvolutionExperimentStatus(
            **{name: getattr(self.status, name) for name in _KEPT},
            number=number,
            salt=digest([self.uid, number, self.terms.digest]),
            spec_digest=self.terms.spec_digest,
            plan=self.terms.digest,
            changes=list(self.terms.changes),
            started_at=timestamp(self.now),
        )
        self._enter(1)

    def _enter(self, step: int) -> None:
        pairs = self.status.verdict.pairs if self.status.verdict else 0
        ends = pace.ends(timestamp(self.now), self.spec.how.step_minutes)
        self._set(
            phase="Running",
            step=step,
            step_started_at=timestamp(self.now),
            step_started_pairs=pairs,
            paused_at=None,
            until=timestamp(ends),
        )
        self._log(f"step {step}: {self.steps[step - 1]} % have {changes_of(self.status)}")

    def _pause(self, why: str) -> None:
        self._set(phase="Paused", paused_at=timestamp(self.now), until=None)
        self._log(why)

    def _promote(self, why: str) -> None:
        self._set(phase="Promoting", until=None)
        said = self.status.verdict.message if self.status.verdict else ""
        self._log(f"{why}: {said}")
        if line := foretold(self.spec, self.status):
            self._log(line)

    def _end(self, phase: str, why: str) -> None:
        """Nobody is in its arms any more; why stands as the last line of the log."""
        self._set(phase=phase, until=None, paused_at=None, step_started_at=None)
        self._log(why)

    def _log(self, line: str) -> None:
        lines = [*self.status.log, Logged(at=timestamp(self.now), message=clip(line, 512))]
        self._set(log=lines[-LINES:])

    def _set(self, **changes: object) -> None:
        self.status = self.status.model_copy(update=changes)

    @property
    def _standing(self) -> str:
        """Where it stands, as the status says."""
        return self.status.message or "it was not looked at yet"
