"""How a Job that resolves or fetches stands, and what its pods said."""

from collections.abc import Iterable

from pydantic import ValidationError

from controllers.plan import Object, controller_of
from crds.models import ModelReport


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
