"""Models that come by uri: each is resolved to a digest, fetched into a claim of that digest, and
shared by all replicas and members that mean the same. Until it is there, nothing that runs changes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain

from controllers.conditions import clip, timestamp
from controllers.diagnosis import Fault, diagnose
from controllers.ensemble import fetch, jobs
from controllers.ensemble.resolve import Resolution, poll, secret_not_found
from controllers.ensemble.revision import child_name
from controllers.ensemble.variants import Located, Way, statuses, ways
from controllers.observed import EnsembleObserved
from controllers.plan import Children, Delete, Event, Object, controller_of, leaving
from crds.ensemble import VariantStatus
from crds.models import ModelClaims, ModelReport, ModelSource, ModelStatus

#: A claim that nothing uses is kept for this long after the route table changed, so that going back
#: needs no fetching.
KEEP = timedelta(hours=1)
#: A Job that ran out of tries is replaced after this time.
REST = timedelta(minutes=30)
#: A pod waits for its claim, and that for its volume, without anything being wrong.
BINDING = timedelta(seconds=30)


@dataclass(frozen=True)
class Models:
    """The part of a plan that is about models by uri."""

    #: Of each member, in order, with its model where that comes by uri.
    ways: Mapping[str, Sequence[Way]]
    objects: tuple[Object, ...] = ()
    delete: tuple[Delete, ...] = ()
    again_in: float | None = None
    events: tuple[Event, ...] = ()
    #: Names of the claims that the spec wants.
    claims: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Fetched:
    """How the model of one digest stands."""

    volume: Object | None = None
    message: str | None = None
    fault: Fault | None = None
    objects: tuple[Object, ...] = ()
    delete: tuple[Delete, ...] = ()


def locate(
    seen: EnsembleObserved,
    own: Children,
    routed: Mapping[str, Mapping[str, str]],
    owners: list[Object],
    now: datetime,
) -> Models:
    """Where every model is, and what to do so that it gets there.

    Args:
        seen: everything observed.
        own: of the children the ensemble's own. A claim is its Job's.
        routed: the revisions that the live route table names, by member and variant.
        owners: for what is made.
        now: the time.
    """
    ensemble = seen.ensemble.metadata.name
    every = {member.name: ways(member) for member in seen.ensemble.spec.members}
    by_uri = [
        (way, source)
        for way in chain.from_iterable(every.values())
        if (source := way.member.engine.source)
    ]
    before = statuses(seen.ensemble.status)
    known = {key: part.model for key, part in before.items() if part.model}
    registered = [uri for _, source in by_uri if (uri := _uri(source)).startswith("mlflow:")]
    latest = {status.uri: status for status in known.values()}
    asked = poll(registered, latest, seen, own, owners, now)
    fetched: dict[str, _Fetched] = {}
    located: dict[tuple[str, str], Located] = {}
    for way, source in by_uri:
        uri = _uri(source)
        meaning = asked.resolutions.get(uri) or _stated(source)
        place = _Fetched()
        if meaning.digest and uri.startswith("oci:"):
            place = _Fetched(fetch.image_volume(uri, seen.defaults))
        elif meaning.digest:
            name = fetch.claim_name(ensemble, meaning.digest)
            if name not in fetched:
                fetched[name] = _fetch(name, way, meaning, seen, own, owners, now)
            place = fetched[name]
        located[way.key] = _located(uri, meaning, place, known.get(way.key), now)
    return Models(
        ways={
            name: [
                _placed(way, located.get(way.key), before, routed, own, ensemble) for way in found
            ]
            for name, found in every.items()
        },
        objects=(*asked.objects, *(obj for part in fetched.values() for obj in part.objects)),
        delete=(*asked.delete, *(gone for part in fetched.values() for gone in part.delete)),
        again_in=asked.again_in,
        events=tuple(_events(by_uri, located, known)),
        claims=frozenset(fetched),
    )


def _events(
    by_uri: Iterable[tuple[Way, ModelSource]],
    located: Mapping[tuple[str, str], Located],
    known: Mapping[tuple[str, str], ModelStatus],
) -> Iterator[Event]:
    """An Event for each name of a registry that means something else than before."""
    for way, _ in by_uri:
        now, before = located[way.key].status, known.get(way.key)
        if now.version and (before is None or before.digest != now.digest):
            told = f"{way.label}: {now.uri} is version {now.version}, {now.digest}"
            yield Event("Normal", "ModelResolved", told)


def needless(
    models: Models, own: Children, desired: Iterable[Object], unchanged: timedelta
) -> list[Delete]:
    """Jobs, and with them the claims that they filled, of digests that no revision needs.

    Args:
        models: what the spec wants.
        own: live objects of the ensemble.
        desired: everything that should be.
        unchanged: how long the route table has been as it is.
    """
    used = {*models.claims, *_claims([*own.of("Deployment"), *desired])}
    return [
        Delete.of(job)
        for job in own.of("Job")
        if fetch.FETCHES in job["metadata"]["labels"]
        and job["metadata"]["name"] not in used
        and not leaving(job)
        and (jobs.ended(job) is None or unchanged >= KEEP)
    ]


def _claims(objects: Iterable[Object]) -> Iterator[str]:
    for obj in objects:
        if obj["kind"] == "Deployment":
            for volume in obj["spec"]["template"]["spec"]["volumes"]:
                if held := volume.get("persistentVolumeClaim"):
                    yield held["claimName"]


def _placed(
    way: Way,
    model: Located | None,
    before: Mapping[tuple[str, str], VariantStatus],
    routed: Mapping[str, Mapping[str, str]],
    own: Children,
    ensemble: str,
) -> Way:
    """The way with its model; where that is not there yet, with the revision that was wanted
    before it, or the one that answers, so that nothing changes meanwhile."""
    if model is None or model.volume is not None:
        return replace(way, model=model)
    earlier = before.get(way.key)
    revisions = [
        earlier.revision if earlier else None,
        routed.get(way.member.name, {}).get(way.variant),
    ]
    held = next(
        (
            rev
            for rev in revisions
            if rev
            and own.get(
                "ControllerRevision", child_name(ensemble, way.member.name, rev, way.variant)
            )
        ),
        None,
    )
    return replace(way, model=model, held=held)


def _uri(source: ModelSource) -> str:
    return source.uri or ""


def _stated(source: ModelSource) -> Resolution:
    """What the spec itself says."""
    return Resolution(source.digest or _uri(source).rpartition("@")[2])


def _located(
    uri: str, meaning: Resolution, place: _Fetched, before: ModelStatus | None, now: datetime
) -> Located:
    same = before is not None and before.digest == meaning.digest
    since = before.since if before and same else timestamp(now)
    message = meaning.message or place.message
    return Located(
        ModelStatus(
            uri=uri,
            digest=meaning.digest,
            version=meaning.version,
            since=since if meaning.digest else None,
            message=clip(message, 512) if message else None,
        ),
        place.volume,
        meaning.fault or place.fault,
    )


def _fetch(
    name: str,
    way: Way,
    meaning: Resolution,
    seen: EnsembleObserved,
    own: Children,
    owners: list[Object],
    now: datetime,
) -> _Fetched:
    """The claim of a digest: made and filled by a Job, of which it is part."""
    source = way.member.engine.source
    if source is None or meaning.digest is None:
        raise ValueError(f"{way.label} has nothing to fetch")
    if seen.ensemble.spec.world_ref and seen.world is None:
        return _Fetched(message="waiting for the World, which may say how models are kept")
    models = seen.world.spec.models if seen.world else None
    job, claim = own.get("Job", name), seen.children.get("PersistentVolumeClaim", name)
    follow = f"kubectl logs -f job/{name} shows how far"
    if claim and (leaving(claim) or _left_by_another(claim, job)):
        return _Fetched(message=f"waiting until the earlier claim {name} is gone")
    if claim and (job is None or not _holds(job, claim)):
        told = f"PersistentVolumeClaim {name} exists and is not of Job {name}; delete it"
        return _Fetched(message=told, fault=Fault("ChildConflict", told))
    if job is None:
        registry = models.mlflow if models and _uri(source).startswith("mlflow:") else None
        if meaning.version and registry is None:
            return _Fetched(fault=Fault("ModelUnresolved", meaning.message or "no registry"))
        meta = seen.ensemble.metadata
        made = fetch.fetch_job(
            name,
            meta.namespace,
            way.member,
            _reference(_uri(source), meaning),
            meaning.digest,
            registry,
            seen.defaults,
            fetch.labels(meta.name, {fetch.FETCHES: name.rpartition("-")[2]}),
            owners,
        )
        return _Fetched(message=f"fetching; {follow}", objects=(made,))
    if leaving(job):
        return _Fetched(message=f"waiting until the earlier Job {name} is gone")
    if claim is None and jobs.ended(job):
        # What it filled is gone, and it will not run again.
        return _Fetched(message="fetching again", delete=(Delete.of(job),))
    if claim is None:
        made = fetch.claim(job, source, (models and models.claims) or ModelClaims())
        return _Fetched(message=f"fetching; {follow}", objects=(made,))
    if jobs.ended(job) == "Complete":
        return _Fetched(fetch.claim_volume(name))
    return _unfinished(job, claim, source, seen, now) or _Fetched(message=f"fetching; {follow}")


def _age(obj: Object, now: datetime) -> timedelta:
    made = jobs.made_at(obj)
    return now - datetime.fromisoformat(made) if made else timedelta()


def _holds(job: Object, claim: Object) -> bool:
    return bool((controller_of(claim) or {}).get("uid") == job["metadata"]["uid"])


def _left_by_another(claim: Object, job: Object | None) -> bool:
    """Whether the claim is of an earlier Job of the same name, with which it goes."""
    holder = controller_of(claim) or {}
    same_name = (holder.get("kind"), holder.get("name")) == ("Job", claim["metadata"]["name"])
    return same_name and (job is None or not _holds(job, claim))


def _reference(uri: str, meaning: Resolution) -> str:
    """What to fetch: of an alias the version that it means, so that it cannot move meanwhile."""
    name, at, _ = uri.partition("@")
    return f"{name}/{meaning.version}" if at and uri.startswith("mlflow:") else uri


def _unfinished(
    job: Object, claim: Object, source: ModelSource, seen: EnsembleObserved, now: datetime
) -> _Fetched | None:
    """What keeps a Job from filling its claim; None where nothing does."""
    name = job["metadata"]["name"]
    said = jobs.report(job, seen.pods) or ModelReport()
    told = said.message or f"see kubectl logs job/{name}"
    if jobs.ended(job) == "Failed":
        rested = now - datetime.fromisoformat(jobs.ended_at(job)) >= REST
        if rested and not jobs.refused(job):
            return _Fetched(message="fetching is tried again", delete=(Delete.of(job),))
        message = f"{told}; kubectl delete job {name} tries again"
        return _Fetched(message=message, fault=Fault("ModelNotFetched", message))
    if said.problem == "SecretNotFound" and (secret := source.credentials_secret_ref):
        fault: Fault | None = secret_not_found(secret.name, f"the credentials of {_uri(source)}")
    elif said.problem and said.problem != "Unreachable":
        fault = Fault("ModelNotFetched", told)
    elif _age(claim, now) >= BINDING:
        pending = [p for p in seen.pods if p.get("status", {}).get("phase") == "Pending"]
        fault = diagnose(jobs.pods_of(job, pending))
    else:
        fault = None
    if fault:
        return _Fetched(message=fault.message, fault=fault)
    if said.problem:
        return _Fetched(message=f"{told}; it is tried again")
    return None
