"""Step by step: one begins when there are replicas for its share, and lasts as the spec says."""

from datetime import datetime, timedelta

from controllers import pace
from controllers.conditions import timestamp
from controllers.ensemble.rollout import handover
from controllers.ensemble.rollout.lines import Line
from controllers.ensemble.rollout.phases import names, new_of
from controllers.ensemble.rollout.turn import RefusedError, Turn
from controllers.ensemble.rollout.wording import WITHOUT_PROOF
from crds.rollout import RolloutStatus


def go_on(turn: Turn, status: RolloutStatus, line: Line) -> None:
    """Begin the step, stay in it, or end it."""
    new, last = new_of(status), len(turn.policy.steps)
    step = max(status.step, 1)
    enough = line.answers(new) if status.step_started_at else turn.fits(status, step)
    if turn.terms.fault:
        turn.set(status, phase="Starting", step_started_at=None, until=None)
        return
    if not enough or not (status.step or answered(turn, status)):
        _wait_until_ready(turn, status)
        return
    if status.ready_seconds is None:
        took = turn.now - datetime.fromisoformat(status.started_at)
        status = turn.set(status, ready_seconds=int(took.total_seconds()))
    if status.step == 0 and turn.frozen:
        turn.set(status, phase="Starting", until=None)
    elif status.step_started_at is None:
        enter(turn, status, step)
    else:
        stays = _stay(turn, status)
        if turn.frozen is None and turn.over(stays) and (status.step < last or turn.proven(stays)):
            go_to_the_next(turn, stays)


def answered(turn: Turn, status: RolloutStatus) -> bool:
    """Whether the new revision, which is ready, has answered its first question."""
    known = turn.smoke if turn.smoke and turn.smoke.salt == status.salt else None
    turn.asks = known is None or not (known.answered or known.failed)
    return known is not None and known.answered


def _wait_until_ready(turn: Turn, status: RolloutStatus) -> None:
    """For a while: what gets nowhere is sent back."""
    failed = turn.smoke.failed if turn.smoke and turn.smoke.salt == status.salt else None
    minutes = turn.policy.progress_deadline_minutes
    waits = status.phase == "Starting" and status.until is not None
    if failed or (waits and turn.over(status)):
        late = f"{names(new_of(status))} was not ready within {minutes} minutes"
        if (line := turn.lines[status.member]).fault:
            late = f"{late}: {line.fault}"
        turn.hold_back(status)
        turn.finish("Aborted", failed or late)
    elif not waits:
        until = timestamp(turn.now + timedelta(minutes=minutes))
        turn.set(status, phase="Starting", step_started_at=None, until=until)


def enter(turn: Turn, status: RolloutStatus, step: int) -> None:
    """Begin a step now."""
    _stay(turn, status.model_copy(update={"step": step, "step_started_at": timestamp(turn.now)}))


def _stay(turn: Turn, status: RolloutStatus) -> RolloutStatus:
    """In its step, whose length is what the spec says now."""
    minutes = turn.policy.steps[status.step - 1].pause_minutes
    if minutes is None or status.step_started_at is None:
        return turn.set(status, phase="Paused", until=None)
    until = timestamp(pace.ends(status.step_started_at, minutes))
    return turn.set(status, phase="Stepping", until=until)


def go_to_the_next(turn: Turn, status: RolloutStatus) -> None:
    """To the next step, or after the last one to everyone; RefusedError says why not."""
    last = status.step >= len(turn.policy.steps)
    if last and not turn.proven(status):
        said = status.verdict.message if status.verdict else "no session was judged yet"
        raise RefusedError(f"{said}; {WITHOUT_PROOF}")
    must_answer(turn, status)
    if last:
        handover.promote(turn, status)
        return
    status = status.model_copy(update={"paused_at": None})
    if turn.fits(status, status.step + 1):
        enter(turn, status, status.step + 1)
    else:
        more = {"step": status.step + 1, "step_started_at": None, "until": None}
        turn.set(status, phase="Starting", **more)


def must_answer(turn: Turn, status: RolloutStatus) -> None:
    """Raise RefusedError where the new revision answers nobody."""
    new = new_of(status)
    if not turn.lines[status.member].answers(new):
        raise RefusedError(f"{names(new)} has no ready replica now; ask again when it has")


def begun_later(turn: Turn, status: RolloutStatus) -> str | None:
    """The step's beginning, moved by the time for which it was paused."""
    if status.step_started_at is None or status.paused_at is None:
        return status.step_started_at
    return pace.begun_later(status.step_started_at, status.paused_at, turn.now)
