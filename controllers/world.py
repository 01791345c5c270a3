"""World: whether everything that belongs to it is well."""

from collections.abc import Sequence
from datetime import datetime

from controllers import conditions as say
from controllers.conditions import Verdict
from controllers.observed import WorldObserved
from controllers.plan import Plan
from controllers.texts import MissingTextError, text
from crds.common import Status
from crds.ensemble import ModelEnsemble
from crds.storyteller import Storyteller
from crds.world import Inhabitant, WorldStatus

#: As many as the status has room for.
SHOWN = 64


def plan(seen: WorldObserved, now: datetime) -> Plan:
    """What to say about a World. It makes no objects of its own."""
    world = seen.world
    meta = world.metadata
    if meta.deletion_timestamp:
        return Plan()
    verdict = _verdict(seen)
    status = WorldStatus(
        observed_generation=meta.generation,
        conditions=say.conditions(verdict, world.status.conditions, meta.generation, now),
        last_request=say.answer(world.status, now),
        ensembles=_inhabitants(seen.ensembles),
        storytellers=_inhabitants(seen.storytellers),
        ensembles_ready=_share(seen.ensembles),
        storytellers_ready=_share(seen.storytellers),
    )
    return Plan(events=say.change_events(world.status, status), status=status)


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
    everything: list[ModelEnsemble | Storyteller] = [*seen.ensembles, *seen.storytellers]
    if not everything:
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
        "ready",
    )


def _why(status: Status) -> str:
    return next(
        (condition.message for condition in status.conditions if condition.type == "Ready"),
        "not looked at yet",
    )
