"""Whether the gateways that answer are the ones that are wanted, or earlier ones that still run.

What they report says nothing of that: an earlier image answers well, until it is replaced.
"""

from collections.abc import Sequence
from dataclasses import replace

from controllers import stamp
from controllers.conditions import Verdict
from controllers.plan import Children, Object


def told(verdict: Verdict, desired: Sequence[Object], live: Children) -> Verdict:
    """The verdict, and that gateways are being replaced while they are.

    Args:
        verdict: what is said of those that run.
        desired: the objects that are to be applied.
        live: the objects as they are.
    """
    wanted = next((obj for obj in desired if obj["kind"] == "StatefulSet"), None)
    found = live.get("StatefulSet", wanted["metadata"]["name"]) if wanted else None
    if wanted is None or found is None:
        return verdict
    step = _step(wanted, found)
    if step is None:
        return verdict
    if not verdict.ready and (verdict.reconciling or verdict.stalled):
        return verdict  # it is said already what is awaited, or that waiting does not help
    reason = "RollingOut" if verdict.ready and not verdict.stalled else verdict.reason
    return replace(verdict, reason=reason, message=f"{step}; {verdict.message}", reconciling=True)


def _step(wanted: Object, live: Object) -> str | None:
    """How far the StatefulSet is from running what is wanted; None: it does.

    Its controller says of which generation its status is, and makes the update revision the current
    one when every replica runs it and is ready (Kubernetes API reference, StatefulSetStatus).
    """
    status = live.get("status", {})
    if not stamp.is_of(live, wanted):
        return "a change of the gateways is under way"
    if status.get("observedGeneration", 0) < live["metadata"].get("generation", 0):
        return "a change of the gateways is under way"
    if status.get("currentRevision") == status.get("updateRevision"):
        return None
    replicas, updated = live["spec"].get("replicas", 1), status.get("updatedReplicas", 0)
    return f"{updated} of {replicas} gateways run the new revision"
