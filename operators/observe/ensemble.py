"""What a ModelEnsemble's decision needs."""

from controllers.observed import EnsembleObserved, needs
from controllers.plan import Defaults
from crds import ModelEnsemble, World
from operators.observe.reading import MANAGED_BY, Reader, Remember, children, referred, together

LABEL = "fabula.dev/ensemble"
CHILDREN = (
    ("apps/v1", "ControllerRevision"),
    ("apps/v1", "Deployment"),
    ("v1", "Service"),
    ("policy/v1", "PodDisruptionBudget"),
    ("v1", "ConfigMap"),
    ("batch/v1", "Job"),
    ("v1", "PersistentVolumeClaim"),
)


async def observe(
    reader: Reader, ensemble: ModelEnsemble, remember: Remember, defaults: Defaults
) -> EnsembleObserved:
    """The ensemble, its World, its children and their pods."""
    meta = ensemble.metadata
    remember(needs(ensemble))
    label = {LABEL: meta.name}
    world, made, pods = await together(
        referred(reader, World, meta.namespace, ensemble.spec.world_ref),
        children(reader, CHILDREN, meta.namespace, label),
        reader.list_all("v1", "Pod", meta.namespace, {**MANAGED_BY, **label}),
    )
    return EnsembleObserved(
        ensemble=ensemble, defaults=defaults, world=world, children=made, pods=tuple(pods)
    )
