"""The plan of a World: the service of its tunables, and whether everything in it is well."""

from collections.abc import Sequence
from datetime import datetime

from controllers import conditions as say
from controllers.conditions import Verdict
from controllers.diagnosis import diagnose
from controllers.experiment.trials import trials
from controllers.observed import WorldObserved
from controllers.plan import Delete, Object, Plan, leaving, owner, split_conflicts
from controllers.pods import url
from controllers.texts import MissingTextError, text
from controllers.world import promoted, service
from controllers.world.tunables import digest, served, shown, unusable
from crds.common import API_VERSION, Status
from crds.ensemble import ModelEnsemble
from crds.storyteller import Storyteller
from crds.tunables import Tunable
from crds.world import ConfigStatus, Inhabitant, WorldStatus

#: As many as the status has room for.
SHOWN = 64
#: Seconds between looks while the configuration service does not run.
IMPATIENCE = 2.0


def plan(seen: WorldObserved, now: datetime) -> Plan:
    """What to do about a World, and what to say."""
    world = seen.world
    meta = world.metadata
    if meta.deletion_timestamp:
        return Plan()
    taken = promoted.take(world, seen.experiments)
    holding = served(promoted.effective(world.spec.tunables, taken.promoted))
    desired = _objects(seen, holding)
    ours, conflicts = split_conflicts(desired, seen.children, meta.uid)
    if conflicts:  # what may not be served is not everyone's: whoever asks for it has to wait
        taken = promoted.take(world, ())
        holding = served(promoted.effective(world.spec.tunables, taken.promoted))
    starting = _service(seen)
    verdict = say.conflict("World", conflicts) or starting or _verdict(seen)
    status = WorldStatus(
        observed_generation=meta.generation,
        conditions=say.conditions(verdict, world.status.conditions, meta.generation, now),
        last_request=say.answer(world.status, now),
        ensembles=_inhabitants(seen.ensembles),
        storytellers=_inhabitants(seen.storytellers),
        tunables=shown(world.spec.tunables, holding),
        promoted=taken.promoted,
        config=_config(seen, holding),
        ensembles_ready=_share(seen.ensembles),
        storytellers_ready=_share(seen.storytellers),
    )
    return Plan(
        apply=tuple(ours),
        delete=_needless(seen, desired),
        events=(*say.change_events(world.status, status), *taken.events),
        status=status,
        again_in=IMPATIENCE if starting else None,
    )


def _objects(seen: WorldObserved, holding: Sequence[Tunable]) -> list[Object]:
    """None without tunables: a World that is not read from needs nobody to read from."""
    world = seen.world
    if not world.spec.tunables:
        return []
    meta = world.metadata
    owners = owner("World", API_VERSION, meta.name, meta.uid)
    told = service.world_config(world, holding, trials(world, seen.experiments))
    return service.objects(world, told, seen.defaults, owners)


def _needless(seen: WorldObserved, desired: Sequence[Object]) -> tuple[Delete, ...]:
    """What runs, or lets nodes be emptied one by one, where that is not wanted any more. The
    identity and the ConfigMap stay with the World: they do nothing, and the operator may not delete
    them."""
    wanted = {(obj["kind"], obj["metadata"]["name"]) for obj in desired}
    own = seen.children.owned_by(seen.world.metadata.uid)
    return tuple(
        Delete.of(obj)
        for kind in ("Deployment", "Service", "PodDisruptionBudget")
        for obj in own.of(kind)
        if (kind, obj["metadata"]["name"]) not in wanted and not leaving(obj)
    )


def _config(seen: WorldObserved, holding: Sequence[Tunable]) -> ConfigStatus | None:
    world = seen.world
    if not world.spec.tunables:
        return None
    meta = world.metadata
    return ConfigStatus(
        url=url(service.service_name(meta.name), meta.namespace, seen.defaults.cluster_domain),
        digest=digest(holding),
        ready=f"{_running(seen)}/{world.spec.service.replicas}",
    )


def _running(seen: WorldObserved) -> int:
    """Ready pods of the configuration service."""
    name = service.service_name(seen.world.metadata.name)
    found = seen.children.owned_by(seen.world.metadata.uid).get("Deployment", name)
    return int(found.get("status", {}).get("readyReplicas", 0)) if found else 0


def _service(seen: WorldObserved) -> Verdict | None:
    """Why games cannot read the tunables, if so."""
    if not seen.world.spec.tunables or _running(seen):
        return None
    name = service.service_name(seen.world.metadata.name)
    if fault := diagnose(seen.pods, seen.children.get("Deployment", name)):
        return Verdict(False, fault.reason, fault.message, stalled=True)
    return Verdict(
        False, "ConfigStarting", "the configuration service is starting", reconciling=True
    )


def _inhabitants(objects: Sequence[ModelEnsemble | Storyteller]) -> list[Inhabitant]:
    named = sorted(objects, key=lambda obj: obj.metadata.name)
    return [Inhabitant(name=obj.metadata.name, ready=_ready(obj)) for obj in named[:SHOWN]]


def _share(objects: Sequence[ModelEnsemble | Storyteller]) -> str:
    return f"{sum(_ready(obj) for obj in objects)}/{len(objects)}"


def _ready(obj: ModelEnsemble | Storyteller) -> bool:
    """Ready, and of the spec as it is now."""
    return any(
        condition.type == "Ready"
        and condition.status == "True"
        and condition.observed_generation == obj.metadata.generation
        for condition in obj.status.conditions
    )


def _verdict(seen: WorldObserved) -> Verdict:
    world = seen.world
    if world.spec.lore:
        try:
            text(world.spec.lore.config_map_ref, "spec.lore.configMapRef", seen.config_maps)
        except MissingTextError as missing:
            return missing.verdict()
    if invalid := unusable(world.spec.tunables):
        return invalid
    everything: list[ModelEnsemble | Storyteller] = [*seen.ensembles, *seen.storytellers]
    if not everything and not world.spec.tunables:
        return Verdict(
            False,
            "Empty",
            "nothing refers to this world yet; a ModelEnsemble or Storyteller joins it with "
            f"spec.worldRef: {world.metadata.name}",
        )
    waiting = [obj for obj in everything if not _ready(obj)]
    if waiting:
        told = "; ".join(
            f"{obj.names.kind} {obj.metadata.name}: {_why(obj.status)}" for obj in waiting
        )
        return Verdict(
            False,
            "NotAllReady",
            told,
            # One that nobody has looked at yet is under way, too.
            reconciling=any(
                not obj.status.conditions or say.under_way(obj.status) for obj in waiting
            ),
        )
    return Verdict(
        True,
        "AllReady",
        f"{_share(seen.ensembles)} ensembles and {_share(seen.storytellers)} storytellers are "
        f"ready{_games_read(seen)}",
    )


def _why(status: Status) -> str:
    return next(
        (condition.message for condition in status.conditions if condition.type == "Ready"),
        "not looked at yet",
    )


def _games_read(seen: WorldObserved) -> str:
    tunables = len(seen.world.spec.tunables)
    if not tunables:
        return ""
    wanted = seen.world.spec.service.replicas
    return f"; {_running(seen)} of {wanted} pods serve {tunables} tunables"
