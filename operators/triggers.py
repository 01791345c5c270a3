"""What an event of a watch means: which objects to look at. Pure, tested by table."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from controllers.ensemble.workload import ENSEMBLE
from controllers.experiment.planner import EXPERIMENT
from controllers.plan import Object, Ref
from controllers.storyteller.workload import STORYTELLER
from controllers.world.service import WORLD
from crds import API_VERSION
from operators.dependents import Dependents

#: Labels that name a child's owner, and the kind of that owner.
OWNER_LABELS = {
    WORLD: "World",
    EXPERIMENT: "EvolutionExperiment",
    ENSEMBLE: "ModelEnsemble",
    STORYTELLER: "Storyteller",
}


@dataclass(frozen=True)
class Sighting:
    """What a watch saw, without the object itself."""

    ref: Ref
    labels: Mapping[str, str] = field(default_factory=dict)
    #: `spec.worldRef`, for our own kinds.
    world: str | None = None

    @classmethod
    def of(cls, obj: Object) -> "Sighting":
        spec = obj.get("spec")
        own = obj["apiVersion"] == API_VERSION and isinstance(spec, Mapping)
        world = spec.get("worldRef") if own and spec else None
        return cls(Ref.of(obj), dict(obj["metadata"].get("labels") or {}), world)


def keys(seen: Sighting, dependents: Dependents) -> frozenset[Ref]:
    """The objects to look at: itself or its owner, who refers to it, its World; and of an
    experiment whoever takes part in it or waits for it."""
    ref = seen.ref
    found = set(dependents.of(ref))
    if ref.api_version == API_VERSION:
        found.add(ref)
        found |= {need for need in dependents.needs(ref) if need.kind == "World"}
        if seen.world:
            world = Ref(API_VERSION, "World", ref.namespace, seen.world)
            found.add(world)
            if ref.kind == "EvolutionExperiment":
                found |= {
                    other
                    for other in dependents.of(world)
                    if other.kind in {"Storyteller", "EvolutionExperiment"}
                }
        return frozenset(found)
    for label, kind in OWNER_LABELS.items():
        if name := seen.labels.get(label):
            found.add(Ref(API_VERSION, kind, ref.namespace, name))
    return frozenset(found)
