"""One look at a rollout: what is known of it, and the state that is moved from one to the next.

The spec, the verdict and the watch (`signals`), a person (`asks`), readiness and time (`steps`)
move it. `beginning` begins a rollout, and `handover` moves everyone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from controllers.ensemble.revision import digest
from controllers.ensemble.rollout import capacity
from controllers.ensemble.rollout.lines import Line, Revisions
from controllers.ensemble.rollout.phases import AFTER, UNDER_WAY, names, new_of, old_of
from controllers.ensemble.rollout.smoke import Smoke
from controllers.ensemble.rollout.terms import Terms
from controllers.freeze import Frozen
from crds.rollout import Rollout, RolloutStatus


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


class RefusedError(Exception):
    """What a person asked for cannot be done; the message says why, and what can."""


class Turn:
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

    @property
    def phase(self) -> str | None:
        return self.status.phase if self.status else None

    @property
    def busy(self) -> bool:
        """Whether the next rollout has to wait for this one."""
        return self.phase in UNDER_WAY | AFTER

    @property
    def drift_returns(self) -> bool:
        """Whether what drifted goes back by itself."""
        return self.policy.when_drifting == "RollBack"

    def set(self, status: RolloutStatus, **changes: object) -> RolloutStatus:
        """The next state."""
        self.status = status.model_copy(update=changes)
        return self.status

    def finish(self, phase: str, why: str) -> None:
        """End it with everyone told by the old revision."""
        assert self.status is not None  # noqa: S101  (callers have looked)
        why += f"; everyone is told by {names(old_of(self.status))}"
        if self.status.member in self.held:
            why += "; Retry rolls it out again, or change the member"
        self.set(self.status, **{**ended(why), "phase": phase})

    def hold_back(self, status: RolloutStatus) -> None:
        """Roll this change out no more until a person says so, or the member changes."""
        self.held[status.member] = digest(new_of(status))

    def move(self, member: str, revisions: Revisions) -> None:
        """Give everyone these."""
        line = self.lines[member]
        self.lines[member] = replace(line, stable={**line.stable, **revisions})

    def over(self, status: RolloutStatus) -> bool:
        """Whether the time until which it waits has come."""
        return status.until is not None and datetime.fromisoformat(status.until) <= self.now

    def proven(self, status: RolloutStatus) -> bool:
        """Whether everyone may follow without a person's word: every guardrail holds."""
        if not self.policy.guardrails:
            return True
        return status.verdict is not None and status.verdict.kind == "Proven"

    def fits(self, status: RolloutStatus, step: int) -> bool:
        """Whether the new revision has the replicas for the share of a step."""
        return self.lines[status.member].has(new_of(status), self._tried(status, step))

    def _tried(self, status: RolloutStatus, step: int) -> dict[str, int]:
        percent = self.policy.steps[step - 1].traffic_percent
        line = self.lines[status.member]
        return line.part(new_of(status), old_of(status), lambda n: capacity.tried(n, percent))

    def handed(self, to: Revisions, from_: Revisions) -> dict[str, int]:
        """Replicas with which some revisions take over from others."""
        assert self.status is not None  # noqa: S101  (callers have looked)
        line, surge = self.lines[self.status.member], self.policy.surge
        return line.part(to, from_, lambda n: capacity.handed(n, surge))

    def counts(self, status: RolloutStatus) -> dict[str, int]:
        """Replicas of what is tried out or may be returned to."""
        new, old, surge = new_of(status), old_of(status), self.policy.surge
        if status.phase == "Promoting":
            return self.handed(new, old)
        if status.phase == "Returning":
            return self.handed(old, new)
        if status.phase == "Promoted":
            return self.lines[status.member].part(old, new, lambda n: capacity.spare(n, surge))
        return self._tried(status, max(status.step, 1))


def _is_returning(line: Line, status: RolloutStatus) -> bool:
    """Whether a person has sent back what everyone has until the old revision is there."""
    mine = status.phase == "Returning" and status.member == line.name
    return mine and line.held_back is not None


def ended(why: str) -> dict[str, object]:
    """What changes in the status of a rollout that is over."""
    return {
        "phase": "Complete",
        "message": why,
        "step_started_at": None,
        "paused_at": None,
        "until": None,
    }
