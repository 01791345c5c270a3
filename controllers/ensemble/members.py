"""What becomes of one member: which revisions run, which one serves, and what to say about it."""

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
from controllers.observed import EnsembleObserved
from controllers.plan import Object
from controllers.pods import service, url
from crds.ensemble import Member, MemberStatus
from crds.routes import Route


@dataclass(frozen=True)
class MemberPlan:
    """The part of a plan that is about one member."""

    status: MemberStatus
    objects: tuple[Object, ...] = ()
    route: Route | None = None
    fault: Fault | None = None


def plan_member(
    member: Member, seen: EnsembleObserved, routed: str | None, owners: list[Object]
) -> MemberPlan:
    """Decide about a member.

    Args:
        member: as the spec has it.
        seen: everything observed, of children only the ensemble's own: a ControllerRevision of
            anybody else could name any pod.
        routed: the revision that the live route table names for it, if any.
        owners: owner references for what is made.
    """
    if member.engine.hosted:
        return _hosted(member, seen)
    wanted = revision(member)
    serving = _serving(member, wanted, routed, seen)
    keep = sorted({wanted, serving})
    objects = [obj for rev in keep for obj in _revision_objects(member, rev, seen, owners)]
    labels = workload.member_labels(seen.ensemble.metadata.name, member.name)
    budget = f"{seen.ensemble.metadata.name}-{member.name}"
    objects.append(
        workload.disruption_budget(budget, seen.ensemble.metadata.namespace, labels, owners)
    )
    fault = _fault(member, wanted, seen)
    return MemberPlan(
        status=_status(member, wanted, serving, fault, seen),
        objects=tuple(objects),
        route=_route(member, serving, seen),
        fault=fault if _ready(member, wanted, seen) < _desired(member) else None,
    )


def _hosted(member: Member, seen: EnsembleObserved) -> MemberPlan:
    rev = revision(member)
    patience = seen.ensemble.spec.consensus.timeout_seconds
    return MemberPlan(
        status=MemberStatus(
            name=member.name,
            engine=member.engine.kind,
            revision=rev,
            serving=rev,
            condition="Hosted",
            message="asked by the gateway; see the Storyteller for whether it answers",
        ),
        route=routes.route(member, member, rev, None, patience),
    )


def _serving(member: Member, wanted: str, routed: str | None, seen: EnsembleObserved) -> str:
    """The wanted revision once it is ready; until then the one that was routed, if it still
    answers."""
    if routed is None or routed == wanted or _ready(member, wanted, seen) >= _desired(member):
        return wanted
    stored = seen.children.get("ControllerRevision", _name(seen, member, routed))
    return routed if stored and _ready(member, routed, seen) else wanted


def _revision_objects(
    member: Member, rev: str, seen: EnsembleObserved, owners: list[Object]
) -> list[Object]:
    meta = seen.ensemble.metadata
    name = _name(seen, member, rev)
    labels = workload.revision_labels(meta.name, member.name, rev)
    stored = seen.children.get("ControllerRevision", name)
    if stored is not None:
        rendered, number = Rendered.read(stored), int(stored["revision"])
    else:
        rendered = Rendered(member, workload.pod_template(member, seen.defaults, labels))
        number = _next_number(member, seen)
    return [
        controller_revision(name, meta.namespace, number, rendered, labels, owners),
        workload.deployment(
            name, meta.namespace, _desired(member), rendered.template, labels, owners
        ),
        service(name, meta.namespace, labels, owners),
    ]


def _next_number(member: Member, seen: EnsembleObserved) -> int:
    return (
        max(
            (
                int(stored["revision"])
                for stored in seen.children.of("ControllerRevision")
                if workload.member_of(stored) == member.name
            ),
            default=0,
        )
        + 1
    )


def _route(member: Member, serving: str, seen: EnsembleObserved) -> Route | None:
    """Stopped members are not asked; all others are, ready or not: the gateway sees first when one
    comes back."""
    if _desired(member) == 0:
        return None
    meta = seen.ensemble.metadata
    name = _name(seen, member, serving)
    stored = seen.children.get("ControllerRevision", name)
    versioned = Rendered.read(stored).member if stored else member
    address = url(name, meta.namespace, seen.defaults.cluster_domain)
    patience = seen.ensemble.spec.consensus.timeout_seconds
    return routes.route(versioned, member, serving, address, patience)


def _status(
    member: Member, wanted: str, serving: str, fault: Fault | None, seen: EnsembleObserved
) -> MemberStatus:
    ready, desired = _ready(member, wanted, seen), _desired(member)
    answers = bool(_ready(member, serving, seen))
    message: str | None = None
    if desired == 0:
        condition = "Stopped"
        message = "scaling.minReplicas is 0"
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
    return MemberStatus.model_validate(
        {
            "name": member.name,
            "engine": member.engine.kind,
            "revision": wanted,
            "serving": serving if answers else None,
            "ready": ready,
            "desired": desired,
            "condition": condition,
            "message": clip(message, 512) if message else None,
        }
    )


def _fault(member: Member, rev: str, seen: EnsembleObserved) -> Fault | None:
    labels = workload.revision_labels(seen.ensemble.metadata.name, member.name, rev)
    wanted = labels.items()
    pods = [pod for pod in seen.pods if wanted <= pod["metadata"].get("labels", {}).items()]
    return diagnose(pods, seen.children.get("Deployment", _name(seen, member, rev)))


def _desired(member: Member) -> int:
    return member.scaling.min_replicas if member.scaling else 1


def _ready(member: Member, rev: str, seen: EnsembleObserved) -> int:
    found = seen.children.get("Deployment", _name(seen, member, rev))
    return int(found.get("status", {}).get("readyReplicas", 0)) if found else 0


def _name(seen: EnsembleObserved, member: Member, rev: str) -> str:
    return child_name(seen.ensemble.metadata.name, member.name, rev)
