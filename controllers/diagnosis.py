"""Why pods do not run, in the words of somebody who will fix it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from controllers.conditions import clip
from controllers.plan import Object, leaving

PULL_FAILURES = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}

#: The kubelet's words where it could not read a container's last ones in time.
UNREAD = "Error on reading termination message"


@dataclass(frozen=True)
class Fault:
    """A reason for programs and a message for people."""

    reason: str
    message: str


def diagnose(pods: Iterable[Object], workload: Object | None = None) -> Fault | None:
    """The first thing that keeps these pods from running, the most telling one first.

    Args:
        pods: live pods of one workload.
        workload: their Deployment, which knows when a pod was refused outright.
    """
    found = [fault for pod in pods for fault in _pod_faults(pod)]
    if workload is not None:
        found += _refusals(workload)
    order = ("ImageUnavailable", "OutOfMemory", "CrashLooping", "ConfigInvalid", "PodRefused")
    ranked = {reason: place for place, reason in enumerate(order)}
    return min(found, key=lambda fault: ranked.get(fault.reason, len(order)), default=None)


def _pod_faults(pod: Object) -> Iterator[Fault]:
    if leaving(pod):
        return
    name = pod["metadata"]["name"]
    status = pod.get("status", {})
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition.get("reason") == "Unschedulable":
            yield Fault(
                "Unschedulable",
                f"no node can take pod {name}: {_short(condition.get('message', ''))}; lower "
                "resources, correct nodeSelector or tolerations, or add a node",
            )
    for container in status.get("containerStatuses", []):
        yield from _container_faults(name, container, pod.get("spec", {}).get("volumes") or [])


def _container_faults(pod: str, container: Object, volumes: Iterable[Object]) -> Iterator[Fault]:
    waiting = container.get("state", {}).get("waiting") or {}
    reason, message = waiting.get("reason", ""), _short(waiting.get("message", ""))
    if reason in PULL_FAILURES:
        mounted = [volume["image"]["reference"] for volume in volumes if "image" in volume]
        images = " or ".join([container["image"], *mounted])
        yield Fault(
            "ImageUnavailable",
            # Without the kubelet's words: they change with every try, and a status should not.
            f"image {images} cannot be pulled; correct it or make it available to the "
            f"nodes; kubectl describe pod {pod} has the details",
        )
    elif reason in {"CreateContainerConfigError", "CreateContainerError"}:
        yield Fault("ConfigInvalid", f"pod {pod} cannot be created: {message}")
    ended = container.get("lastState", {}).get("terminated") or {}
    ended = container.get("state", {}).get("terminated") or ended
    if not ended or container.get("ready"):
        return
    if ended.get("reason") == "OOMKilled":
        yield Fault(
            "OutOfMemory",
            f"pod {pod} was killed for memory; raise resources.limits.memory or lower "
            "contextTokens",
        )
    elif ended.get("exitCode"):
        said = _last_line(ended.get("message", ""))
        yield Fault(
            "CrashLooping",
            f"pod {pod} exits with code {ended['exitCode']}{': ' + said if said else ''}; "
            f"see kubectl logs {pod} --previous",
        )


def _refusals(workload: Object) -> Iterator[Fault]:
    for condition in workload.get("status", {}).get("conditions", []):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            yield Fault(
                "PodRefused",
                f"the cluster refuses the pod: {_short(condition.get('message', ''))}; correct "
                "the field it names, or the quota or policy of the namespace",
            )


def _short(message: str) -> str:
    return clip(" ".join(message.split()), 240)


def _last_line(message: str) -> str:
    if message.startswith(UNREAD):
        return ""
    lines = [line for line in message.splitlines() if line.strip()]
    return _short(lines[-1]) if lines else ""
