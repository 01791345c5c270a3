"""What each member runs in the state of its rollout."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from controllers.ensemble.rollout import beginning
from controllers.ensemble.rollout.lines import Line, Revisions
from controllers.ensemble.rollout.phases import AFTER, UNDER_WAY, names, new_of, old_of
from controllers.ensemble.rollout.turn import Turn
from controllers.ensemble.rollout.wording import may_be_asked


@dataclass(frozen=True)
class Course:
    """What a member runs."""

    stable: Revisions
    #: What is tried out, and whether gateways may ask it.
    canary: Revisions = field(default_factory=dict)
    asked: bool = False
    #: What may be returned to.
    warm: Revisions = field(default_factory=dict)
    #: Replicas of what is tried out or warm, by variant.
    counts: Mapping[str, int] = field(default_factory=dict)
    #: Pods beyond the member's replicas that there may be.
    surge: int = 1
    held_back: str | None = None
    #: Why nothing is done about what is pending.
    waits: str | None = None
    #: Whether that is a person's matter.
    stuck: bool = False


def course_of(turn: Turn, line: Line) -> Course:
    """What a member runs in this state."""
    course = Course(line.stable, surge=turn.policy.surge, held_back=turn.held.get(line.name))
    status = turn.status
    if status and status.member == line.name and status.phase in UNDER_WAY | AFTER:
        course = replace(course, counts=turn.counts(status))
        if status.phase in UNDER_WAY:
            return replace(
                course,
                canary=new_of(status),
                asked=may_be_asked(status, line, turn.terms.fault),
            )
        course = replace(course, warm=old_of(status))
    waits, crowded = None, beginning.crowded(turn, line)
    if line.name in turn.held:
        waits = f"{names(line.pending)} was sent back; Retry, or change the member"
    elif line.pending and line.name in turn.unfit:
        waits = turn.unfit[line.name]
    elif crowded:
        waits = crowded
    elif line.pending and turn.frozen and not turn.busy:
        waits = beginning.hindered(turn, line)
    elif line.pending and status is not None:
        waits = f"{names(line.pending)} waits for the rollout of {status.member}"
    stuck = line.name in turn.held or crowded is not None
    return replace(course, waits=waits, stuck=stuck)
