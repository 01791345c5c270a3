"""Everyone moves at once: to the new revision, or back to the old one."""

from datetime import timedelta

from controllers.conditions import timestamp
from controllers.ensemble.rollout.phases import names, new_of, old_of
from controllers.ensemble.rollout.turn import Turn, ended
from controllers.ensemble.rollout.wording import worse
from crds.rollout import RolloutStatus


def promote(turn: Turn, status: RolloutStatus) -> None:
    """Everyone gets the new revision, as soon as it has the replicas for them."""
    new = new_of(status)
    if not turn.lines[status.member].has(new, turn.handed(new, old_of(status))):
        turn.set(status, phase="Promoting", paused_at=None, until=None)
        return
    turn.move(status.member, new)
    window = timedelta(minutes=turn.policy.rollback_window_minutes)
    turn.set(
        status,
        phase="Promoted",
        step=len(turn.policy.steps),
        step_started_at=None,
        paused_at=None,
        until=timestamp(turn.now + window),
    )


def go_back(turn: Turn) -> None:
    """Everyone gets the old revision again, as soon as it has the replicas for them."""
    assert turn.status is not None  # noqa: S101  (callers have looked)
    member, old = turn.status.member, old_of(turn.status)
    if turn.lines[member].has(old, turn.handed(old, new_of(turn.status))):
        turn.move(member, old)
        turn.finish("Undone", _why_undone(turn, turn.status))
        turn.undone = turn.status.number == turn.before
    elif turn.status.phase != "Returning" or turn.status.until is None:
        minutes = timedelta(minutes=turn.policy.progress_deadline_minutes)
        turn.set(turn.status, phase="Returning", until=timestamp(turn.now + minutes))


def _why_undone(turn: Turn, status: RolloutStatus) -> str:
    if status.member not in turn.held:
        return "the spec returned to it"
    drifted = turn.drift_returns and status.watch and status.watch.drifted
    return status.watch.message if status.watch and drifted else "a person undid it"


def give_up(turn: Turn, status: RolloutStatus) -> None:
    """The old revision does not come back."""
    turn.held.pop(status.member, None)
    minutes = turn.policy.progress_deadline_minutes
    late = f"{names(old_of(status))} was not ready within {minutes} minutes"
    late += f"; everyone stays with {names(new_of(status))}{worse(status)}"
    turn.set(status, **ended(late))
