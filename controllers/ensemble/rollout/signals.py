"""What a rollout follows of itself: what the spec wants now, the verdict, and what was seen since
promotion.
"""

from controllers.conditions import timestamp
from controllers.ensemble.rollout import beginning, handover
from controllers.ensemble.rollout.phases import AFTER, SENT_BACK, UNDER_WAY, names, new_of, old_of
from controllers.ensemble.rollout.turn import Turn, ended


def follow_the_spec(turn: Turn) -> None:
    """The newest wish wins."""
    status = turn.status
    if status is None or status.phase not in UNDER_WAY | AFTER:
        return
    line = turn.lines.get(status.member)
    if line is None or not line.stable:
        turn.set(status, **ended(f"{status.member} was removed or stopped"))
    elif status.phase == "Promoted":
        if line.pending and line.pending == old_of(status):
            handover.go_back(turn)
        elif line.pending and not beginning.hindered(turn, line):
            beginning.begin(turn, line)
    elif status.phase == "Returning":
        if not line.pending and line.name not in turn.held:
            turn.set(status, **ended(f"the spec returned to {names(new_of(status))}"))
        elif line.pending not in ({}, old_of(status)) and not (
            line.held or beginning.hindered(turn, line)
        ):
            beginning.begin(turn, line)
    elif not line.pending:
        turn.finish("Aborted", f"the spec returned to {names(old_of(status))}")
    elif line.name in turn.unfit:
        turn.finish("Aborted", turn.unfit[line.name])
    elif line.pending != new_of(status):
        if hindered := beginning.hindered(turn, line):
            turn.finish("Aborted", hindered)
        else:
            beginning.begin(turn, line)
    elif status.plan != turn.terms.digest and turn.terms.fault is None:
        if status.step:
            beginning.begin(turn, line)
        else:
            turn.set(status, plan=turn.terms.digest)


def heed_the_verdict(turn: Turn) -> None:
    """What is worse goes back at once, whatever else is asked; what is not known by now waits
    for a person, or goes back too."""
    status = turn.status
    if status is None or status.phase not in UNDER_WAY or status.verdict is None:
        return
    kind = status.verdict.kind
    open_end = kind == "Inconclusive"
    if kind in SENT_BACK or (open_end and turn.policy.when_inconclusive == "RollBack"):
        turn.hold_back(status)
        turn.finish("Aborted", status.verdict.message)
    elif open_end and status.paused_at is None and status.phase != "Promoting":
        turn.set(status, phase="Paused", paused_at=timestamp(turn.now), until=None)


def heed_the_watch(turn: Turn) -> None:
    """What drifted from what promotion promised goes back, if that is still warm."""
    status = turn.status
    if status is None or status.phase != "Promoted" or not (status.watch and turn.drift_returns):
        return
    if status.watch.drifted:
        turn.hold_back(status)
        handover.go_back(turn)
