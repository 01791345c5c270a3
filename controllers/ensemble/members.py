"""What becomes of one member: which revisions run, which one serves, and what to say about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controllers.conditions import clip
from controllers.diagnosis import Fault, diagnose
from controllers.ensemble import routes, workload
from controllers.ensemble.revision import (
    Rendered,
    child_name,
    controller_revision,
    revision,
)
from controllers.ensemble.variants import Located, Way
from controllers.observed import EnsembleObserved
from controllers.plan import Object
from controllers.pods import service, url
from crds.ensemble import FULL, Member, MemberStatus, VariantStatus
from crds.routes import Route


@dataclass(frozen=True)
class MemberPlan:
    """The part of a plan that is about one member, its variants included."""

    status: MemberStatus
    objects: tuple[Object, ...] = ()
    route: Route | None = None
    #: What keeps it or a variant from running, by what a person calls that.
    faults: tuple[tuple[str, Fault], ...] = ()


@dataclass(frozen=True)
class _WayPlan:
    """The part that is about one way to be the member."""

    status: VariantStatus
    objects: tuple[Object, ...] = ()
    route: Route | None = None
    fault: Fault | None = None


def plan_member(
    member: Member,
    every: Sequence[Way],
    seen: EnsembleObserved,
    routed: Mapping[str, str],
    owners: list[Object],
) -> MemberPlan:
    """Decide about a member.

    Args:
        member: as the spec has it.
        every: the ways to be it, itself first, with their models.
        seen: everything observed, of children only the ensemble's own: a ControllerRevision of
            anybody else could name any pod.
        routed: the revisions that the live route table names for it, by variant.
        owners: owner references for what is made.
    """
    plans = [_plan_way(way, seen, routed.get(way.variant), owners) for way in every]
    objects = [obj for plan in plans for obj in plan.objects]
    if objects:
        meta = seen.ensemble.metadata
        labels = workload.member_labels(meta.name, member.name)
        budget = f"{meta.name}-{member.name}"
        objects.append(workload.disruption_budget(budget, meta.namespace, labels, owners))
    full, *others = (plan.status for plan in plans)
    return MemberPlan(
        status=MemberStatus(**dict(full), variants=list(others)),
        objects=tuple(objects),
        route=routes.joined([plan.route for plan in plans if plan.route]),
        faults=tuple(
            (way.label, plan.fault) for way, plan in zip(every, plans, strict=True) if plan.fault
        ),
    )


def _plan_way(
    way: Way, seen: EnsembleObserved, routed: str | None, owners: list[Object]
) -> _WayPlan:
    if way.member.engine.hosted:
        return _hosted(way, seen)
    if way.model and way.bare:
        return _awaiting(way, way.model)
    wanted = revision(way)
    serving = _serving(way, wanted, routed, seen)
    keep = sorted({wanted, serving})
    fault = way.model.fault if way.model else None
    if fault is None and _ready(way, wanted, seen) < _desired(way):
        fault = _fault(way, wanted, seen)
    return _WayPlan(
        status=_status(way, wanted, serving, fault, seen),
        objects=tuple(obj for rev in keep for obj in _revision_objects(way, rev, seen, owners)),
        route=_route(way, serving, seen),
        fault=fault,
    )


def _hosted(way: Way, seen: EnsembleObserved) -> _WayPlan:
    rev = revision(way)
    patience = seen.ensemble.spec.consensus.timeout_seconds
    return _WayPlan(
        status=VariantStatus(
            name=_name_of(way),
            engine=way.member.engine.kind,
            revision=rev,
            serving=rev,
            condition="Hosted",
            message="asked by the gateway; see the Storyteller for whether it answers",
        ),
        route=routes.route(way.member, way, rev, None, patience),
    )


def _awaiting(way: Way, model: Located) -> _WayPlan:
    """The first model of a way is not there yet."""
    return _WayPlan(
        status=VariantStatus(
            name=_name_of(way),
            engine=way.member.engine.kind,
            revision=revision(way),
            condition="Failing" if model.fault else "Starting",
            message=clip(model.why, 512),
            model=model.status,
        ),
        fault=model.fault,
    )


def _name_of(way: Way) -> str:
    return way.member.name if way.variant == FULL else way.variant


def _serving(way: Way, wanted: str, routed: str | None, seen: EnsembleObserved) -> str:
    """The wanted revision once it is ready; until then the one that was routed, if it still
    answers."""
    if routed is None or routed == wanted or _ready(way, wanted, seen) >= _desired(way):
        return wanted
    stored = seen.children.get("ControllerRevision", _name(seen, way, routed))
    return routed if stored and _ready(way, routed, seen) else wanted


def _revision_objects(
    way: Way, rev: str, seen: EnsembleObserved, owners: list[Object]
) -> list[Object]:
    meta = seen.ensemble.metadata
    name = _name(seen, way, rev)
    labels = workload.revision_labels(meta.name, way.member.name, rev, way.variant)
    stored = seen.children.get("ControllerRevision", name)
    if stored is not None:
        rendered, number = Rendered.read(stored), int(stored["revision"])
    else:
        volume = way.model.volume if way.model else None
        template = workload.pod_template(way.member, seen.defaults, labels, volume)
        rendered, number = Rendered(way.member, template), _next_number(way, seen)
    return [
        controller_revision(name, meta.namespace, number, rendered, labels, owners),
        workload.deployment(name, meta.namespace, _desired(way), rendered.template, labels, owners),
        service(name, meta.namespace, labels, owners),
    ]


def _next_number(way: Way, seen: EnsembleObserved) -> int:
    return (
        max(
            (
                int(stored["revision"])
                for stored in seen.children.of("ControllerRevision")
                if workload.way_of(stored) == way.key
            ),
            default=0,
        )
        + 1
    )


def _route(way: Way, serving: str, seen: EnsembleObserved) -> Route | None:
    """Stopped members are not asked; all others are, ready or not: the gateway sees first when one
    comes back."""
    if _desired(way) == 0:
        return None
    meta = seen.ensemble.metadata
    name = _name(seen, way, serving)
    stored = seen.children.get("ControllerRevision", name)
    versioned = Rendered.read(stored).member if stored else way.member
    address = url(name, meta.namespace, seen.defaults.cluster_domain)
    patience = seen.ensemble.spec.consensus.timeout_seconds
    return routes.route(versioned, way, serving, address, patience)


def _status(
    way: Way, wanted: str, serving: str, fault: Fault | None, seen: EnsembleObserved
) -> VariantStatus:
    ready, desired = _ready(way, wanted, seen), _desired(way)
    answers = bool(_ready(way, serving, seen))
    message: str | None = None
    if desired == 0:
        condition = "Stopped"
        message = "scaling.minReplicas is 0"
    elif way.model and way.held:
        condition = "Failing" if way.model.fault else "RollingOut"
        message = way.model.why
    elif ready >= desired:
        condition = "Serving"
    elif fault:
        condition, message = "Failing", fault.message
    elif serving != wanted:
        condition = "RollingOut"
        message = f"{serving} answers until {wanted} is ready"
    else:
        condition = "Starting"
        message = f"{ready} of {desired} replicas are ready"
    return VariantStatus.model_validate(
        {
            "name": _name_of(way),
            "engine": way.member.engine.kind,
            "revision": wanted,
            "serving": serving if answers else None,
            "ready": ready,
            "desired": desired,
            "condition": condition,
            "message": clip(message, 512) if message else None,
            "model": way.model.status if way.model else None,
        }
    )


def _fault(way: Way, rev: str, seen: EnsembleObserved) -> Fault | None:
    ensemble = seen.ensemble.metadata.name
    wanted = workload.revision_labels(ensemble, way.member.name, rev, way.variant).items()
    pods = [pod for pod in seen.pods if wanted <= pod["metadata"].get("labels", {}).items()]
    return diagnose(pods, seen.children.get("Deployment", _name(seen, way, rev)))


def _desired(way: Way) -> int:
    return way.member.scaling.min_replicas if way.member.scaling else 1


def _ready(way: Way, rev: str, seen: EnsembleObserved) -> int:
    found = seen.children.get("Deployment", _name(seen, way, rev))
    return int(found.get("status", {}).get("readyReplicas", 0)) if found else 0


def _name(seen: EnsembleObserved, way: Way, rev: str) -> str:
    return child_name(seen.ensemble.metadata.name, way.member.name, rev, way.variant)
