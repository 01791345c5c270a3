"""What the names of a model registry mean by now: short-lived Jobs ask, one look takes the answers.

The last answer that was good holds until there is a better one, so that a registry that is away
changes nothing that runs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from controllers.diagnosis import Fault, diagnose
from controllers.ensemble import fetch, jobs
from controllers.ensemble.revision import digest as short
from controllers.observed import EnsembleObserved
from controllers.plan import Children, Delete, Object, leaving
from crds.models import MLflow, ModelReport, ModelStatus


@dataclass(frozen=True)
class Resolution:
    """What a uri means, as far as it is known."""

    digest: str | None = None
    version: str | None = None
    #: Why it is not known, or may be out of date.
    message: str | None = None
    fault: Fault | None = None


@dataclass(frozen=True)
class Polled:
    """The part of a plan that is about asking a registry."""

    resolutions: Mapping[str, Resolution]
    objects: tuple[Object, ...] = ()
    delete: tuple[Delete, ...] = ()
    #: Seconds until the next question.
    again_in: float | None = None


def poll(
    uris: Iterable[str],
    known: Mapping[str, ModelStatus],
    seen: EnsembleObserved,
    own: Children,
    owners: list[Object],
    now: datetime,
) -> Polled:
    """Take the answers that are there, and ask again what is due.

    Args:
        uris: of the registry, as in the spec.
        known: what the status holds, by uri.
        seen: everything observed.
        own: of the children the ensemble's own.
        owners: for what is made.
        now: the time.
    """
    wanted = sorted(set(uris))
    models = seen.world.spec.models if seen.world else None
    registry = models.mlflow if models else None
    if registry is None:
        return Polled({uri: _without_registry(known.get(uri), seen) for uri in wanted})
    marks = {_mark(uri, registry): uri for uri in wanted}
    by_mark: dict[str, list[Object]] = {}
    for job in own.of("Job"):
        if mark := job["metadata"]["labels"].get(fetch.RESOLVES):
            by_mark.setdefault(mark, []).append(job)
    polled = [
        _poll_one(uri, mark, registry, by_mark.get(mark, []), known.get(uri), seen, owners, now)
        for mark, uri in marks.items()
    ]
    stale = [job for mark, found in by_mark.items() if mark not in marks for job in found]
    return Polled(
        {uri: found for part in polled for uri, found in part.resolutions.items()},
        tuple(obj for part in polled for obj in part.objects),
        (
            *(gone for part in polled for gone in part.delete),
            *(Delete.of(job) for job in stale if not leaving(job)),
        ),
        min((part.again_in for part in polled if part.again_in is not None), default=None),
    )


def _poll_one(
    uri: str,
    mark: str,
    registry: MLflow,
    asked: Sequence[Object],
    before: ModelStatus | None,
    seen: EnsembleObserved,
    owners: list[Object],
    now: datetime,
) -> Polled:
    meta = seen.ensemble.metadata
    newest_first = sorted(asked, key=jobs.made_at, reverse=True)
    ended = [job for job in newest_first if jobs.ended(job)]
    answered = [job for job in ended if jobs.ended(job) == "Complete"]
    resolution = _resolution(uri, asked, ended, before, registry, seen)
    kept = [*ended[:1], *answered[:1]]
    delete = tuple(Delete.of(j) for j in ended if j not in kept and not leaving(j))
    if resolution.digest and "@" not in uri:
        return Polled({uri: resolution}, delete=delete)
    slot, left = _slot(mark, registry.poll_seconds, now)
    request = seen.ensemble.status.request
    turn = short([uri, registry.url, slot, request.id if request else ""])
    name = f"{meta.name}-resolve-{turn}"
    busy = any(not jobs.ended(job) for job in asked)
    objects: tuple[Object, ...] = ()
    if not busy and all(job["metadata"]["name"] != name for job in asked):
        labels = fetch.labels(meta.name, {fetch.RESOLVES: mark})
        known = ModelReport(digest=resolution.digest, version=resolution.version)
        objects = (
            fetch.resolve_job(
                name, meta.namespace, uri, known, registry, seen.defaults, labels, owners
            ),
        )
    return Polled({uri: resolution}, objects, delete, left)


def _slot(mark: str, period: int, now: datetime) -> tuple[int, float]:
    """The number of the current period and the seconds left of it. Each uri has a phase of its own,
    so that registries see no peaks, and the same one in every operator."""
    at = now.timestamp() + int(mark, 16) % period
    slot = int(at // period)
    return slot, (slot + 1) * period - at


def _mark(uri: str, registry: MLflow) -> str:
    return short([uri, registry.url])


def _resolution(
    uri: str,
    asked: Sequence[Object],
    ended: Sequence[Object],
    before: ModelStatus | None,
    registry: MLflow,
    seen: EnsembleObserved,
) -> Resolution:
    """The newest answer that was good, and why there is none or no newer one."""
    good = before
    for job in ended:
        said = jobs.report(job, seen.pods)
        if said and said.digest and jobs.ended(job) == "Complete":
            good = ModelStatus(uri=uri, digest=said.digest, version=said.version)
            break
    fault: Fault | None = None
    if ended and jobs.ended(ended[0]) == "Failed":
        fault = _why(uri, ended[0], registry, seen)
    if good and good.digest:
        message = f"not asked anew: {fault.message}" if fault else None
        return Resolution(good.digest, good.version, message)
    if fault is None:
        fault = diagnose(pod for job in asked for pod in jobs.pods_of(job, seen.pods))
        return Resolution(message=f"asking {registry.url} what {uri} means", fault=fault)
    return Resolution(message=fault.message, fault=fault)


def _why(uri: str, job: Object, registry: MLflow, seen: EnsembleObserved) -> Fault:
    said = jobs.report(job, seen.pods) or ModelReport()
    if said.problem == "SecretNotFound" and (secret := registry.credentials_secret_ref):
        return secret_not_found(secret.name, "the credentials of the registry")
    name = job["metadata"]["name"]
    told = said.message or f"its pod ended without a word; see kubectl logs job/{name}"
    return Fault("ModelUnresolved", f"{uri} of {registry.url}: {told}")


def secret_not_found(name: str, what: str) -> Fault:
    return Fault(
        "SecretNotFound",
        f"Secret {name}, {what}, is not there or empty; create it: kubectl create secret generic "
        f"{name} --from-literal=KEY=VALUE",
    )


def _without_registry(before: ModelStatus | None, seen: EnsembleObserved) -> Resolution:
    world = seen.ensemble.spec.world_ref
    where = f"of World {world}" if world else "of a World and name it in worldRef"
    told = f"no registry is named; set spec.models.mlflow {where}"
    if before and before.digest:
        return Resolution(before.digest, before.version, told)
    return Resolution(message=told, fault=Fault("ModelUnresolved", told))
