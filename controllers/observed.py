"""What the operator collects before a decision, frozen. The planners see nothing else."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from controllers.delivery.windows import Told
from controllers.plan import Children, Defaults, Object, Ref
from crds.common import ConfigMapFolder, ConfigMapRef
from crds.ensemble import ModelEnsemble
from crds.experiment import EvolutionExperiment
from crds.gateway import GatewayReport
from crds.observations import Observations
from crds.storyteller import Storyteller
from crds.world import World


@dataclass(frozen=True)
class WorldObserved:
    """A World, everything in its namespace that refers to it, the ConfigMaps it names, and the live
    objects of its configuration service."""

    world: World
    defaults: Defaults
    ensembles: tuple[ModelEnsemble, ...] = ()
    storytellers: tuple[Storyteller, ...] = ()
    experiments: tuple[EvolutionExperiment, ...] = ()
    #: By ConfigMap name; a missing one is absent.
    config_maps: Mapping[str, Object] = field(default_factory=dict)
    #: Deployments, Services, ServiceAccounts, Roles, RoleBindings, ConfigMaps, and
    #: PodDisruptionBudgets.
    children: Children = field(default_factory=Children)
    pods: tuple[Object, ...] = ()


@dataclass(frozen=True)
class EnsembleObserved:
    """A ModelEnsemble, its World, and the live objects labelled with its name."""

    ensemble: ModelEnsemble
    defaults: Defaults
    world: World | None = None
    #: ControllerRevisions, Deployments, Services, PodDisruptionBudgets, ConfigMaps, and the Jobs
    #: and claims of models.
    children: Children = field(default_factory=Children)
    pods: tuple[Object, ...] = ()
    #: What the gateways of its Storytellers saw of the rollout, from each log's cursor on; none of
    #: one that did not answer.
    observations: tuple[Observations, ...] = ()
    #: Seconds until they are asked again, where they are.
    asked_again_in: float | None = None
    #: What Prometheus said of the rollout; None where it is not asked.
    prometheus: Told | None = None


@dataclass(frozen=True)
class StorytellerObserved:
    """A Storyteller, what it refers to, and the live objects labelled with its name."""

    storyteller: Storyteller
    defaults: Defaults
    world: World | None = None
    ensemble: ModelEnsemble | None = None
    #: Those of its World.
    experiments: tuple[EvolutionExperiment, ...] = ()
    #: By ConfigMap name: persona, prompts, what experiments try, and the lore of the world; a
    #: missing one is absent.
    config_maps: Mapping[str, Object] = field(default_factory=dict)
    #: StatefulSets, Services, ServiceAccounts, Roles, RoleBindings, ConfigMaps, and
    #: PodDisruptionBudgets.
    children: Children = field(default_factory=Children)
    pods: tuple[Object, ...] = ()
    #: What each gateway says of itself, by pod name; one that did not answer is absent.
    reports: Mapping[str, GatewayReport] = field(default_factory=dict)


@dataclass(frozen=True)
class ExperimentObserved:
    """An EvolutionExperiment, its World with everything that takes part, and its checkpoint."""

    experiment: EvolutionExperiment
    world: World | None = None
    #: All of that World.
    experiments: tuple[EvolutionExperiment, ...] = ()
    #: Names of those of that World whose gateways count its sessions.
    storytellers: tuple[str, ...] = ()
    #: The one of them whose templates it changes, if it does.
    teller: Storyteller | None = None
    #: By name: those with the templates that it tries; a missing one is absent.
    config_maps: Mapping[str, Object] = field(default_factory=dict)
    #: ConfigMaps labelled with its name.
    children: Children = field(default_factory=Children)
    #: What the gateways saw, from each log's cursor on; none of one that did not answer.
    observations: tuple[Observations, ...] = ()
    #: Seconds until they are asked again, where they are.
    asked_again_in: float | None = None


@dataclass(frozen=True)
class StorytellerGone:
    """A Storyteller that is no longer there, and the claims labelled with its name."""

    name: str
    namespace: str
    claims: tuple[Object, ...] = ()


def needs(
    obj: World | ModelEnsemble | Storyteller | EvolutionExperiment,
    world: World | None = None,
    experiments: Iterable[EvolutionExperiment] = (),
) -> frozenset[Ref]:
    """What an object refers to: when one of these changes, the object is looked at again. A
    Storyteller needs what its World tells, and what the experiments on its templates do."""
    namespace = obj.metadata.namespace
    refs: set[Ref] = set()

    def text(ref: ConfigMapRef | ConfigMapFolder | None) -> None:
        if ref:
            refs.add(Ref("v1", "ConfigMap", namespace, ref.name))

    def ours(kind: str, name: str | None) -> None:
        if name:
            refs.add(Ref("fabula.dev/v1alpha1", kind, namespace, name))

    def tried(experiment: EvolutionExperiment) -> None:
        for change in experiment.spec.changes:
            text(change.prompt.config_map_ref if change.prompt else None)

    if isinstance(obj, World):
        text(obj.spec.lore.config_map_ref if obj.spec.lore else None)
    else:
        ours("World", obj.spec.world_ref)
    if isinstance(obj, Storyteller):
        ours("ModelEnsemble", obj.spec.ensemble_ref)
        text(obj.spec.persona.config_map_ref if obj.spec.persona else None)
        text(obj.spec.prompts.config_map_ref if obj.spec.prompts else None)
        if world and world.spec.lore:
            text(world.spec.lore.config_map_ref)
        for each in experiments:
            if each.spec.storyteller == obj.metadata.name:
                tried(each)
    if isinstance(obj, EvolutionExperiment):
        ours("Storyteller", obj.spec.storyteller)
        tried(obj)
    return frozenset(refs)
