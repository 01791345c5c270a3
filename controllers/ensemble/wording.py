"""What people are told of a rollout: where it stands, what it waits for, and what they may do. It
follows from the state, and nothing follows from it."""

from dataclasses import astuple

from controllers.conditions import clip
from controllers.ensemble.lines import Line, Revisions
from crds.ensemble import FULL
from crds.rollout import Rollout, RolloutStatus

_PAUSED = "; a person has paused it, and Resume goes on"


def told(status: RolloutStatus, line: Line | None, policy: Rollout, over: bool) -> RolloutStatus:
    """The state with its share of sessions, and words.

    Args:
        status: the state.
        line: the member, if the rollout is under way.
        policy: `spec.rollout`.
        over: whether the time of its step is.
    """
    new, old = names(new_of(status)), names(old_of(status))
    share = 100 if status.phase in ("Promoted", "Complete") else 0
    state, message = status.phase.lower(), status.message
    if line is not None:
        if status.step and line.answers(new_of(status)):
            share = policy.steps[status.step - 1].traffic_percent
        state = f"{share} %"
        message = _in_a_step(status, policy, over) if share else _with_nobody(status, line)
        if not line.answers(old_of(status)):
            message += f"; {old} answers nobody, and Promote gives everyone {new}"
    elif status.phase == "Promoted":
        message = (
            f"everyone is told by {new}; {old} is kept warm until {status.until}, and Undo returns "
            "to it at once"
        )
    return status.model_copy(
        update={
            "steps": len(policy.steps),
            "traffic_percent": share,
            "progress": f"{status.member} {state}",
            "message": clip(message, 512),
        }
    )


def _with_nobody(status: RolloutStatus, line: Line) -> str:
    new, old = names(new_of(status)), names(old_of(status))
    paused = _PAUSED if status.paused_at else ""
    if status.step:
        again = "" if paused else f"; step {status.step} begins anew when it is back"
        return f"{new} has no ready replica, so its sessions are told by {old}{again}{paused}"
    replicas = line.of(new_of(status))
    ready, desired = (sum(counts) for counts in zip(*map(astuple, replicas), strict=True))
    why = line.fault or f"{ready} of {desired} replicas are ready"
    return f"{new} gets ready and nobody is told by it yet: {why}{paused}"


def _in_a_step(status: RolloutStatus, policy: Rollout, over: bool) -> str:
    new, old = names(new_of(status)), names(old_of(status))
    told = (
        f"{policy.steps[status.step - 1].traffic_percent} % of new sessions are told by {new}, as "
        f"many by {old} as its baseline; step {status.step} of {len(policy.steps)}"
    )
    if status.paused_at:
        return told + _PAUSED
    following = "everyone"
    if status.step < len(policy.steps):
        following = f"{policy.steps[status.step].traffic_percent} %"
    if status.until is None:
        return f"{told} waits for a person: Resume goes on to {following}, Abort sends it back"
    if over:
        return f"{told} is over; everyone follows when all replicas are ready"
    return f"{told}; {following} at {status.until}"


def new_of(status: RolloutStatus) -> dict[str, str]:
    return {change.name: change.canary for change in status.revisions}


def old_of(status: RolloutStatus) -> dict[str, str]:
    return {change.name: change.stable for change in status.revisions}


def names(revisions: Revisions) -> str:
    """What people call these revisions: the member's own by its name alone."""
    return ", ".join(
        rev if way == FULL else f"{way} {rev}" for way, rev in sorted(revisions.items())
    )
