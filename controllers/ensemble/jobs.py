"""Jobs in the namespace of an ensemble: what they are made of, how one stands, and what its pods
said."""

from collections.abc import Iterable, Sequence

from pydantic import ValidationError

from controllers.plan import Defaults, Object, controller_of
from controllers.pods import CONTAINER_SECURITY, POD_SECURITY, child
from crds.models import FINAL, ModelReport


def pod(
    container: str,
    module: str,
    arguments: Sequence[str],
    defaults: Defaults,
    files: Sequence[tuple[Object, str]] = (),
) -> Object:
    """The pod of a Job that runs a module of the gateway's image once.

    Args:
        container: its name.
        module: to run.
        arguments: for it.
        defaults: for the image.
        files: read-only volumes, and where each is mounted.
    """
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "restartPolicy": "Never",
        "securityContext": POD_SECURITY,
        "terminationGracePeriodSeconds": 5,
        "containers": [
            {
                "name": container,
                "image": defaults.gateway_image,
                "imagePullPolicy": defaults.image_pull_policy,
                "command": ["python3", "-m", module],
                "args": list(arguments),
                "securityContext": CONTAINER_SECURITY,
                "resources": {
                    "requests": {"cpu": "50m", "memory": "64Mi"},
                    "limits": {"memory": "256Mi"},
                },
                "volumeMounts": [
                    {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - an emptyDir of this pod
                    *(
                        {"name": volume["name"], "mountPath": at, "readOnly": True}
                        for volume, at in files
                    ),
                ],
            }
        ],
        "volumes": [{"name": "tmp", "emptyDir": {}}, *(volume for volume, _ in files)],
    }


def job(
    name: str,
    namespace: str,
    template: Object,
    retries: int,
    seconds: int,
    labels: Object,
    owners: list[Object],
) -> Object:
    """A Job of such pods, within so many seconds in all; an exit with `FINAL` is not retried."""
    container = template["containers"][0]["name"]
    final = {"containerName": container, "operator": "In", "values": [FINAL]}
    return child(
        "batch/v1",
        "Job",
        name,
        namespace,
        labels=labels,
        owners=owners,
        spec={
            "backoffLimit": retries,
            "activeDeadlineSeconds": seconds,
            "podFailurePolicy": {"rules": [{"action": "FailJob", "onExitCodes": final}]},
            "template": {"metadata": {"labels": labels}, "spec": template},
        },
    )


def ended(job: Object) -> str | None:
    """`Complete` or `Failed`; None while it goes on."""
    condition = _last_condition(job)
    return str(condition["type"]) if condition else None


def refused(job: Object) -> bool:
    """Whether it failed in a way that another try would not change."""
    condition = _last_condition(job)
    return condition is not None and condition.get("reason") == "PodFailurePolicy"


def ended_at(job: Object) -> str:
    """When it ended, RFC 3339; when it was made, where that is not known."""
    condition = _last_condition(job) or {}
    return str(condition.get("lastTransitionTime") or made_at(job))


def made_at(job: Object) -> str:
    return str(job["metadata"].get("creationTimestamp", ""))


def pods_of(job: Object, pods: Iterable[Object]) -> list[Object]:
    uid = job["metadata"].get("uid")
    return [pod for pod in pods if (controller_of(pod) or {}).get("uid") == uid]


def report(job: Object, pods: Iterable[Object]) -> ModelReport | None:
    """What the last pod of it that ended has said; None where it said nothing that can be read."""
    ends = [
        end
        for pod in pods_of(job, pods)
        for container in pod.get("status", {}).get("containerStatuses", [])
        if (end := container.get("state", {}).get("terminated"))
    ]
    if not ends:
        return None
    last = max(ends, key=lambda end: str(end.get("finishedAt", "")))
    try:
        said = ModelReport.model_validate_json(last.get("message") or "")
    except ValidationError:
        return None
    plain = " ".join(said.message.split()) if said.message else None
    return said.model_copy(update={"message": plain})


def _last_condition(job: Object) -> Object | None:
    conditions: list[Object] = job.get("status", {}).get("conditions") or []
    return next(
        (c for c in conditions if c["type"] in {"Complete", "Failed"} and c["status"] == "True"),
        None,
    )
