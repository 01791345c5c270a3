"""What a ModelEnsemble's decision needs."""

from collections.abc import Awaitable, Callable

from controllers.delivery.windows import Told
from controllers.ensemble.workload import ENSEMBLE
from controllers.observed import EnsembleObserved, needs
from controllers.plan import Children, Defaults
from crds import ModelEnsemble, World
from crds.observations import Observations
from operators.observe.reading import MANAGED_BY, Reader, Remember, children, referred, together

CHILDREN = (
    ("apps/v1", "ControllerRevision"),
    ("apps/v1", "Deployment"),
    ("v1", "Service"),
    ("policy/v1", "PodDisruptionBudget"),
    ("v1", "ConfigMap"),
    ("batch/v1", "Job"),
    ("v1", "PersistentVolumeClaim"),
)

#: Asks the gateways what they saw of the rollout of an ensemble, with its World and its children;
#: and the seconds until that is asked again.
Evidence = Callable[
    [Reader, ModelEnsemble, World | None, Children],
    Awaitable[tuple[tuple[Observations, ...], float | None]],
]

#: Asks Prometheus about the rollout of an ensemble, with its World and its children.
AskPrometheus = Callable[[ModelEnsemble, World | None, Children], Awaitable[Told | None]]


async def observe(
    reader: Reader,
    ensemble: ModelEnsemble,
    remember: Remember,
    defaults: Defaults,
    evidence: Evidence,
    prometheus: AskPrometheus,
) -> EnsembleObserved:
    """The ensemble, its World, its children and their pods, and what was seen of its rollout."""
    meta = ensemble.metadata
    remember(needs(ensemble))
    label = {ENSEMBLE: meta.name}
    world, made, pods = await together(
        referred(reader, World, meta.namespace, ensemble.spec.world_ref),
        children(reader, CHILDREN, meta.namespace, label),
        reader.list_all("v1", "Pod", meta.namespace, {**MANAGED_BY, **label}),
    )
    (observations, again), told = await together(
        evidence(reader, ensemble, world, made), prometheus(ensemble, world, made)
    )
    return EnsembleObserved(
        ensemble=ensemble,
        defaults=defaults,
        world=world,
        children=made,
        pods=tuple(pods),
        observations=observations,
        asked_again_in=again,
        prometheus=told,
    )
