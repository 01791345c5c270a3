"""What people are told of a rollout: where it stands, what it waits for, and what they may do. It
follows from the state, and nothing follows from it."""

from collections.abc import Mapping

from controllers.conditions import clip
from controllers.ensemble.rollout import capacity
from controllers.ensemble.rollout.lines import Line, Revisions
from controllers.ensemble.rollout.phases import names, new_of, old_of
from crds.rollout import Rollout, RolloutStatus

_PAUSED = "; a person has paused it, and Resume goes on"
#: What a person may do about what is not proven.
WITHOUT_PROOF = "Promote gives it to everyone without proof, Abort sends it back"


def told(
    status: RolloutStatus,
    line: Line | None,
    policy: Rollout,
    over: bool,
    counts: Mapping[str, int],
    fault: str | None = None,
    awaited: str | None = None,
) -> RolloutStatus:
    """The state with its share of sessions, and words.

    Args:
        status: the state.
        line: the member, if the rollout is under way or its old revision may be returned to.
        policy: `spec.rollout`.
        over: whether the time of its step is.
        counts: replicas that it waits for, of the new revision or of the one that is returned to;
            in the end those that are kept.
        fault: why it cannot be judged.
        awaited: what else it waits for.
    """
    new, old = names(new_of(status)), names(old_of(status))
    share = 100 if status.phase in ("Promoted", "Returning", "Complete") else 0
    state, message = status.phase.lower(), status.message
    if line is not None and status.phase == "Returning":
        message = (
            f"everyone is told by {old} again {soon(status)}, and by {new} until then: "
            f"{_ready(line, old_of(status), counts)}{worse(status)}"
        )
    elif line is not None and status.phase == "Promoted":
        message = f"everyone is told by {new}; {_way_back(status, line, policy)}"
        if status.plan and not status.proven:
            message += "; a person promoted it without proof"
        if status.watch:
            message = f"{message}; {status.watch.message}"
    elif line is not None:
        # A step that waits for replicas goes on with the share of the one before.
        at = status.step if status.step_started_at or status.step < 2 else status.step - 1
        asked = may_be_asked(status, line, fault)
        share = policy.steps[at - 1].traffic_percent if asked else 0
        state = f"{share} %"
        if status.phase == "Promoting":
            message = (
                f"everyone is told by {new} as soon as it has enough replicas: "
                f"{_ready(line, new_of(status), counts)}, in the place of those of {old}"
            )
        elif asked and at < status.step:
            message = (
                f"{share} % of new sessions are told by {new}; step {status.step} begins when it "
                f"has enough replicas: {_ready(line, new_of(status), counts)}"
                f"{_PAUSED if status.paused_at else ''}"
            )
        elif asked:
            message = _in_a_step(status, policy, over)
            if awaited:
                message += f"; {awaited}, and it goes on by itself no sooner"
        else:
            message = _with_nobody(status, line, awaited or _ready(line, new_of(status), counts))
        if fault:
            message = f"{fault}; until then nobody is told by {new}"
        if not line.answers(old_of(status)):
            message += f"; {old} answers nobody, and Promote gives everyone {new}"
    return status.model_copy(
        update={
            "steps": len(policy.steps),
            "traffic_percent": share,
            "progress": f"{status.member} {state}",
            "message": clip(message, 512),
        }
    )


def may_be_asked(status: RolloutStatus, line: Line, fault: str | None) -> bool:
    """Whether a step has begun and the new revision answers, so that it may be asked, if only by
    testers or in the shadow."""
    return status.step > 0 and line.answers(new_of(status)) and not fault


def soon(status: RolloutStatus) -> str:
    """When a revision is back, as far as is known."""
    took = status.ready_seconds
    return f"as soon as it is ready{f', in some {took} s' if took else ''}"


def worse(status: RolloutStatus) -> str:
    """What drifted, where anything has."""
    watch = status.watch
    return f"; {watch.message}" if watch and watch.drifted else ""


def _way_back(status: RolloutStatus, line: Line, policy: Rollout) -> str:
    old, until = names(old_of(status)), status.until
    enough = line.part(old_of(status), new_of(status), lambda n: capacity.handed(n, policy.surge))
    if line.has(old_of(status), enough):
        return f"{old} is kept warm until {until}, and Undo returns to it at once"
    ready = sum(each.ready for each in line.of(old_of(status)))
    return (
        f"{old} keeps {ready} replicas ready, and until {until} Undo returns to it {soon(status)}"
    )


def _ready(line: Line, revisions: Revisions, counts: Mapping[str, int]) -> str:
    """How many replicas of so many are ready."""
    ready = sum(each.ready for each in line.of(revisions))
    return f"{ready} of {sum(counts.values())} replicas are ready"


def _with_nobody(status: RolloutStatus, line: Line, awaited: str) -> str:
    new, old = names(new_of(status)), names(old_of(status))
    paused = _PAUSED if status.paused_at else ""
    if status.step:
        again = "" if paused else f"; step {status.step} begins anew when it is back"
        return f"{new} has no ready replica, so its sessions are told by {old}{again}{paused}"
    until = f"; at {status.until} it is sent back" if status.until else ""
    why = f"{line.fault or awaited}{until}"
    return f"{new} gets ready and nobody is told by it yet: {why}{paused}"


def _in_a_step(status: RolloutStatus, policy: Rollout, over: bool) -> str:
    verdict = status.verdict
    said = f"; {verdict.message}" if verdict else ""
    told = f"{_shares(status, policy)}; step {status.step} of {len(policy.steps)}"
    if status.paused_at:
        if verdict and verdict.kind == "Inconclusive":
            return f"{told}{said}; {WITHOUT_PROOF}"
        return told + _PAUSED + said
    last = status.step == len(policy.steps)
    proof = " if it is proven" if last and policy.guardrails else ""
    following = "everyone" if last else f"{policy.steps[status.step].traffic_percent} %"
    if status.until is None:
        waits = f"waits for a person: Resume goes on to {following}{proof}, Abort sends it back"
        return f"{told} {waits}{said}"
    if not over:
        return f"{told}; {following} at {status.until}{proof}{said}"
    if proof and not (verdict and verdict.kind == "Proven"):
        return f"{told} is over, and everyone follows when it is proven{said}"
    return f"{told} is over, and everyone follows"


def _shares(status: RolloutStatus, policy: Rollout) -> str:
    """Who is told by what in this step."""
    new, old = names(new_of(status)), names(old_of(status))
    percent = policy.steps[status.step - 1].traffic_percent
    told = f"{percent} % of new sessions are told by {new}, as many by {old} as its baseline"
    if not percent:
        told = f"{'testers alone are' if policy.testers else 'nobody is'} told by {new}"
    if policy.shadow:
        told += f"; {policy.shadow.percent} % of the rest ask it in the shadow"
    return told
