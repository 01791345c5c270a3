"""What becomes of one member: which revisions run, which one serves, and what to say about it."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
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
from controllers.ensemble.rollout.capacity import Fleet, divide
from controllers.ensemble.rollout.course import Course
from controllers.ensemble.rollout.lines import Line, Replicas
from controllers.ensemble.variants import Located, Way, statuses
from controllers.observed import EnsembleObserved
from controllers.plan import Object, leaving
from controllers.pods import service, url
from crds.ensemble import FULL, Member, MemberStatus, VariantStatus
from crds.routes import Route

#: Phases in which a pod takes no place any more.
ENDED = {"Succeeded", "Failed"}


@dataclass(frozen=True)
class MemberPlan:
    """The part of a plan that is about one member, its variants included."""

    status: MemberStatus
    objects: tuple[Object, ...] = ()
    route: Route | None = None
    #: How to ask it at the revision that is tried out, if one is.
    canary: Route | None = None
    #: What keeps it or a variant from running, by what a person calls that.
    faults: tuple[tuple[str, Fault], ...] = ()
    #: Whether replicas of one revision still take the place of another's.
    moving: bool = False


@dataclass(frozen=True)
class _WayPlan:
    """The part that is about one way to be the member."""

    status: VariantStatus
    objects: tuple[Object, ...] = ()
    route: Route | None = None
    canary: Route | None = None
    fault: Fault | None = None
    moving: bool = False


@dataclass(frozen=True)
class _Crew:
    """The replicas of one way: of each revision those that it shall have, and those for now."""

    wanted: Mapping[str, int]
    now: Mapping[str, int]


def line_of(
    member: Member, every: Sequence[Way], seen: EnsembleObserved, routed: Mapping[str, str]
) -> Line:
    """A member as its rollout sees it: of each way that runs and has answered before, what players
    have and what the spec asks for. See `plan_member` for the arguments."""
    stable: dict[str, str] = {}
    wanted: dict[str, str] = {}
    replicas: dict[tuple[str, str], Replicas] = {}
    faults: list[Fault | None] = []
    rollout = seen.ensemble.status.rollout
    tried = rollout.revisions if rollout and rollout.member == member.name else []
    for way in every:
        known = _stable(way, seen, routed.get(way.variant))
        if known is None or way.stopped or way.bare:
            continue
        rev = revision(way)
        stable[way.variant], wanted[way.variant] = known, rev
        if rev != known:
            faults.append(_fault(way, rev, seen))
        others = [
            side
            for each in tried
            if each.name == way.variant
            for side in (each.stable, each.canary)
        ]
        for each in {rev, known, *others}:
            replicas[way.variant, each] = Replicas(
                _ready(way, each, seen), _desired(way, each, seen)
            )
    before = _before(member.name, seen)
    return Line(
        name=member.name,
        wanted=wanted,
        stable=stable,
        replicas=replicas,
        returnable=frozenset(
            way.variant for way in every if way.variant in stable and _returnable(way, seen)
        ),
        held_back=before.held_back if before else None,
        fault=next((fault.message for fault in faults if fault), None),
    )


def plan_member(
    member: Member,
    every: Sequence[Way],
    seen: EnsembleObserved,
    routed: Mapping[str, str],
    owners: list[Object],
    course: Course | None = None,
    asked: Collection[tuple[str, str]] | None = None,
) -> MemberPlan:
    """Decide about a member.

    Args:
        member: as the spec has it.
        every: the ways to be it, itself first, with their models.
        seen: everything observed, of children only the ensemble's own: a ControllerRevision of
            anybody else could name any pod.
        routed: the revisions that the live route table names for it, by variant.
        owners: owner references for what is made.
        course: what its rollout comes to; None: everyone gets what is new as soon as it is ready.
        asked: members and revisions that gateways ask by now; None: any.
    """
    course = course or Course({})
    plans = [_plan_way(way, seen, routed.get(way.variant), owners, course, asked) for way in every]
    objects = [obj for plan in plans for obj in plan.objects]
    if any(obj["kind"] == "Deployment" for obj in objects):
        meta = seen.ensemble.metadata
        labels = workload.member_labels(meta.name, member.name)
        budget = f"{meta.name}-{member.name}"
        objects.append(workload.disruption_budget(budget, meta.namespace, labels, owners))
    full, *others = (plan.status for plan in plans)
    return MemberPlan(
        status=MemberStatus(**dict(full), variants=list(others), held_back=course.held_back),
        objects=tuple(objects),
        route=routes.joined([plan.route for plan in plans if plan.route]),
        canary=routes.joined([plan.canary for plan in plans if plan.canary])
        if course.canary
        else None,
        faults=tuple(
            (way.label, plan.fault) for way, plan in zip(every, plans, strict=True) if plan.fault
        ),
        moving=any(plan.moving for plan in plans),
    )


def _plan_way(
    way: Way,
    seen: EnsembleObserved,
    routed: str | None,
    owners: list[Object],
    course: Course,
    asked: Collection[tuple[str, str]] | None,
) -> _WayPlan:
    if way.model and way.bare:
        return _awaiting(way, way.model)
    wanted = revision(way)
    serving = course.stable.get(way.variant) or _serving(way, wanted, routed, seen)
    canary = course.canary.get(way.variant)
    beside = canary or course.warm.get(way.variant)
    if way.variant in course.stable:
        crew = _crew(way, serving, beside, seen, course, asked)
    else:
        full = {rev: _desired(way, rev, seen) for rev in {serving, wanted}}
        crew = _Crew(full, full)
    fault = way.model.fault if way.model else None
    if fault is None and _ready(way, wanted, seen) < crew.wanted.get(wanted, 0):
        fault = _fault(way, wanted, seen)
    return _WayPlan(
        status=_status(way, wanted, serving, fault, seen, course, crew),
        objects=tuple(
            obj
            for rev, count in sorted(crew.now.items())
            for obj in _revision_objects(way, rev, count, seen, owners)
        ),
        route=_route(way, serving, seen),
        canary=_route(way, canary or serving, seen),
        fault=fault,
        moving=crew.now != crew.wanted,
    )


def _crew(
    way: Way,
    serving: str,
    beside: str | None,
    seen: EnsembleObserved,
    course: Course,
    asked: Collection[tuple[str, str]] | None,
) -> _Crew:
    """Replicas of the revision that players have, of the one beside it, and of any other that is
    still there. None of them is put up without a place, or taken down while it is needed."""
    full = _desired(way, serving, seen)
    wanted = {serving: full}
    most = full + course.surge
    if beside is not None and beside != serving:
        wanted[beside] = course.counts.get(way.variant, 0)
        if full:
            wanted[serving] = max(1, min(full, most - wanted[beside]))
        most = max(most, _desired(way, beside, seen) + course.surge)
    pods = Counter(
        str(pod["metadata"]["labels"][workload.REVISION])
        for pod in seen.pods
        if workload.way_of(pod) == way.key
        and workload.REVISION in pod["metadata"]["labels"]
        and pod.get("status", {}).get("phase") not in ENDED
    )
    running = [
        obj["metadata"]["labels"][workload.REVISION]
        for obj in seen.children.of("Deployment")
        if workload.way_of(obj) == way.key and not leaving(obj)
    ]
    fleets = {
        rev: Fleet(
            asked=_asked(way, rev, seen),
            ready=_ready(way, rev, seen),
            pods=pods[rev],
            wanted=wanted.get(rev, 0),
        )
        for rev in dict.fromkeys([*wanted, *sorted({*running, *pods})])
    }
    quiet = [rev for rev in fleets if asked is not None and (way.member.name, rev) not in asked]
    counts = divide(fleets, most, full - 1 + course.surge if full else 0, quiet)
    return _Crew(wanted, {rev: n for rev, n in counts.items() if n or rev in wanted})


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


def _serving(way: Way, wanted: str, routed: str | None, seen: EnsembleObserved) -> str:
    """The wanted revision once it is ready; until then the one that was routed, if it still
    answers."""
    if routed is None or routed == wanted or _whole(way, wanted, seen):
        return wanted
    stored = seen.children.get("ControllerRevision", _name(seen, way, routed))
    return routed if stored and _ready(way, routed, seen) else wanted


def _stable(way: Way, seen: EnsembleObserved, routed: str | None) -> str | None:
    """The revision that players have: the one that was last known to answer, if it can still be
    asked; None where there is none."""
    before = statuses(seen.ensemble.status).get(way.key)
    known = before.stable if before else None
    rev = known or (routed if routed and _answers(way, routed, seen) else None)
    if rev is None or rev == revision(way):
        return rev
    return rev if _may_run(way, rev, seen) else None


def _may_run(way: Way, rev: str, seen: EnsembleObserved) -> bool:
    """Whether a revision is stored, and can be asked if it runs."""
    if seen.children.get("ControllerRevision", _name(seen, way, rev)) is None:
        return False
    hosted, wanted = _versioned(way, rev, seen).engine.hosted, way.member.engine.hosted
    # Gateways hold one key for each member, and it is the one that the spec names.
    return hosted is None or (
        wanted is not None and wanted.api_key_secret_ref == hosted.api_key_secret_ref
    )


def _returnable(way: Way, seen: EnsembleObserved) -> bool:
    """Whether the revision that a person wants back is one of this way, and could run again: with
    the model that was fetched for it."""
    asked = seen.ensemble.status.request
    rev = asked.to if asked else None
    stored = seen.children.get("ControllerRevision", _name(seen, way, rev)) if rev else None
    if rev is None or stored is None or not _may_run(way, rev, seen):
        return False
    volumes = (Rendered.read(stored).template.get("spec") or {}).get("volumes", [])
    held: Object = next((volume for volume in volumes if volume["name"] == "model"), {})
    claim = held.get("persistentVolumeClaim")
    return claim is None or seen.children.get("Job", claim["claimName"]) is not None


def _before(member: str, seen: EnsembleObserved) -> MemberStatus | None:
    return next((each for each in seen.ensemble.status.members if each.name == member), None)


def _name_of(way: Way) -> str:
    return way.member.name if way.variant == FULL else way.variant


def _versioned(way: Way, rev: str, seen: EnsembleObserved) -> Member:
    """The member as it was at a revision; what is not stored yet is what the spec asks for."""
    stored = seen.children.parsed("ControllerRevision", _name(seen, way, rev), Rendered.read)
    return stored.member if stored else way.member


def _revision_objects(
    way: Way, rev: str, replicas: int, seen: EnsembleObserved, owners: list[Object]
) -> list[Object]:
    meta = seen.ensemble.metadata
    name = _name(seen, way, rev)
    labels = workload.revision_labels(meta.name, way.member.name, rev, way.variant)
    stored = seen.children.get("ControllerRevision", name)
    if stored is not None:
        rendered, number = Rendered.read(stored), int(stored["revision"])
    else:
        hosted, volume = way.member.engine.hosted, way.model.volume if way.model else None
        template = (
            {} if hosted else workload.pod_template(way.member, seen.defaults, labels, volume)
        )
        rendered, number = Rendered(way.member, template), _next_number(way, seen)
    kept = controller_revision(name, meta.namespace, number, rendered, labels, owners)
    if rendered.member.engine.hosted:
        return [kept]
    return [
        kept,
        workload.deployment(name, meta.namespace, replicas, rendered.template, labels, owners),
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


def _route(way: Way, rev: str, seen: EnsembleObserved) -> Route | None:
    """Stopped members are not asked; all others are, ready or not: the gateway sees first when one
    comes back."""
    versioned = _versioned(way, rev, seen)
    if not versioned.engine.hosted and _desired(way, rev, seen) == 0:
        return None
    meta = seen.ensemble.metadata
    pods = url(_name(seen, way, rev), meta.namespace, seen.defaults.cluster_domain)
    address = None if versioned.engine.hosted else pods
    patience = seen.ensemble.spec.consensus.timeout_seconds
    return routes.route(versioned, way, rev, address, patience)


def _status(
    way: Way,
    wanted: str,
    serving: str,
    fault: Fault | None,
    seen: EnsembleObserved,
    course: Course,
    crew: _Crew,
) -> VariantStatus:
    ready, desired = _ready(way, wanted, seen), crew.wanted.get(wanted, 0)
    answers = _answers(way, serving, seen)
    before = _stable(way, seen, None)
    message: str | None = None
    if way.stopped:
        condition = "Stopped"
        message = "scaling.minReplicas is 0"
    elif way.model and way.held:
        condition = "Failing" if way.model.fault else "RollingOut"
        message = way.model.why
    elif course.waits and serving != wanted:
        condition = "HeldBack" if course.stuck else "RollingOut"
        message = course.waits
    elif fault and ready < desired:
        condition, message = "Failing", fault.message
    elif wanted == course.canary.get(way.variant):
        condition = "Canary"
        message = f"{wanted} is tried out beside {serving}; see status.rollout"
    elif way.member.engine.hosted:
        condition = "Hosted"
        message = "asked by the gateway; see the Storyteller for whether it answers"
    elif ready >= desired:
        condition = "Serving"
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
            "stable": serving if answers or before == serving else None,
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


def _desired(way: Way, rev: str, seen: EnsembleObserved) -> int:
    """Replicas of a revision: as the spec says today, or, where that runs no pod any more, as it
    said then. A hosted model has none."""
    versioned = _versioned(way, rev, seen)
    if versioned.engine.hosted:
        return 0
    scaling = (versioned if way.member.engine.hosted else way.member).scaling
    return scaling.min_replicas if scaling else 1


def _ready(way: Way, rev: str, seen: EnsembleObserved) -> int:
    found = seen.children.get("Deployment", _name(seen, way, rev))
    return int(found.get("status", {}).get("readyReplicas", 0)) if found else 0


def _asked(way: Way, rev: str, seen: EnsembleObserved) -> int:
    """Replicas that its Deployment asks for now."""
    found = seen.children.get("Deployment", _name(seen, way, rev))
    return int(found["spec"]["replicas"]) if found else 0


def _answers(way: Way, rev: str, seen: EnsembleObserved) -> bool:
    """Whether there is anybody to ask: a replica, or a provider."""
    return _versioned(way, rev, seen).engine.hosted is not None or _ready(way, rev, seen) > 0


def _whole(way: Way, rev: str, seen: EnsembleObserved) -> bool:
    return _ready(way, rev, seen) >= _desired(way, rev, seen)


def _name(seen: EnsembleObserved, way: Way, rev: str) -> str:
    return child_name(seen.ensemble.metadata.name, way.member.name, rev, way.variant)
