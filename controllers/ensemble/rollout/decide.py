"""How a changed member reaches players: the state machine of `spec.rollout`.

Pure: the status as it was, the members as they are, what a person asks and the time go in; the next
status and what each member runs come out. Every moment that matters stands in the status, so that
an operator that is killed at any write comes to the same. What becomes of it in pods is
`controllers.ensemble.members`, what gateways are told is `controllers.ensemble.routes`.

    Starting -> Stepping | Paused -> Promoting -> Promoted -> Complete
            \\-----------\\------ Aborted      \\- Returning -> Undone

The newest wish wins: a spec that changes in the middle begins a new rollout, one that returns to
what players have ends it, and a person's word is carried out or refused, once, and never lingers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from controllers.conditions import Said
from controllers.ensemble.rollout import asks, beginning, handover, signals, steps
from controllers.ensemble.rollout.course import Course, course_of
from controllers.ensemble.rollout.lines import Line
from controllers.ensemble.rollout.phases import AFTER, UNDER_WAY, names, new_of, old_of
from controllers.ensemble.rollout.terms import Terms
from controllers.ensemble.rollout.turn import Around, Turn, ended
from controllers.ensemble.rollout.wording import told
from controllers.freeze import Frozen
from crds.rollout import Rollout, RolloutStatus

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
    turn = Turn(
        policy, {line.name: line for line in lines}, before, uid, now, terms, around or Around()
    )
    signals.follow_the_spec(turn)
    signals.heed_the_verdict(turn)
    signals.heed_the_watch(turn)
    said = asks.obey(turn, asked) if asked else None
    _let_time_pass(turn)
    _begin_the_next(turn)
    _tell(turn)
    return Decision(
        status=turn.status,
        courses={name: course_of(turn, line) for name, line in turn.lines.items()},
        said=said,
        again_in=_wait(turn),
        undone=turn.undone,
        anchored=turn.anchored,
        unfit=tuple(
            f"{line.name}: {turn.unfit[line.name]}" for line in beginning.waiting_for_margin(turn)
        ),
        asks=turn.asks,
        frozen=turn.frozen is not None and _rests(turn),
        overridden=turn.around.frozen if turn.frozen is None else None,
    )


def _let_time_pass(turn: Turn) -> None:
    """Go on as far as readiness and the time allow: one step at most."""
    status = turn.status
    line = turn.lines.get(status.member) if status else None
    if status is None:
        return
    if status.phase == "Returning":
        handover.go_back(turn)
        if turn.phase == "Returning" and turn.over(status):
            handover.give_up(turn, status)
    elif status.phase == "Promoted" and turn.over(status):
        if line is None or line.complete(new_of(status)):
            why = f"{names(new_of(status))} is everyone's; {names(old_of(status))} was let go"
            turn.set(status, **ended(why))
    elif status.phase in UNDER_WAY and line is not None:
        if status.step > len(turn.policy.steps):  # some were taken out; the last begins anew
            last = len(turn.policy.steps)
            status = turn.set(status, step=last, step_started_at=None)
        if status.phase == "Promoting":
            handover.promote(turn, status)
        elif status.paused_at is None:
            steps.go_on(turn, status, line)


def _begin_the_next(turn: Turn) -> None:
    """One member at a time, in the order of the spec."""
    if turn.busy:
        return
    for line in turn.lines.values():
        if line.pending and line.name not in turn.held and not beginning.hindered(turn, line):
            beginning.begin(turn, line)
            _let_time_pass(turn)
            return


def _rests(turn: Turn) -> bool:
    """Whether no pod is awaited."""
    moves = turn.phase in {"Promoting", "Returning"}
    waits = turn.phase == "Starting" and turn.status and turn.status.until
    return not (moves or waits)


def _tell(turn: Turn) -> None:
    """Say where it stands."""
    if turn.status is not None:
        going_on = turn.status.phase in UNDER_WAY | AFTER
        line = turn.lines.get(turn.status.member) if going_on else None
        over = turn.over(turn.status)
        counts = turn.counts(turn.status) if line else {}
        turn.status = told(
            turn.status, line, turn.policy, over, counts, turn.terms.fault, _awaited(turn)
        )


def _awaited(turn: Turn) -> str | None:
    """What is waited for where there are replicas enough."""
    if turn.asks:
        return "it is asked a first question"
    return turn.frozen.words if turn.frozen else None


def _wait(turn: Turn) -> float | None:
    """Seconds until time alone changes something. What is over waits for something else."""
    moments = []
    if turn.status is not None and turn.status.until is not None:
        moments.append(datetime.fromisoformat(turn.status.until))
    if turn.frozen and turn.frozen.until:
        # Nothing that is over before goes on before.
        moments = [at for at in moments if at > turn.now] + [turn.frozen.until]
    lefts = [(at - turn.now).total_seconds() for at in moments]
    return min((left if left > 0 else OVERDUE for left in lefts), default=None)


def _left(before: RolloutStatus | None) -> RolloutStatus | None:
    """What is said of the last rollout where there is no policy any more."""
    if before is None or before.phase not in UNDER_WAY | AFTER:
        return before
    why = "spec.rollout was removed: what is new is everyone's as soon as it is ready"
    return before.model_copy(update=ended(why))
