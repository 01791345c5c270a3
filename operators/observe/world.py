"""What a World's decision needs."""

from controllers.observed import WorldObserved, needs
from controllers.plan import Defaults
from controllers.world.service import WORLD
from crds import ModelEnsemble, Storyteller, World
from operators.observe.experiment import experiments_of
from operators.observe.reading import (
    MANAGED_BY,
    RBAC,
    Reader,
    Remember,
    all_of,
    children,
    config_maps,
    together,
)

CHILDREN = (
    ("apps/v1", "Deployment"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
    (RBAC, "Role"),
    (RBAC, "RoleBinding"),
    ("v1", "ConfigMap"),
    ("policy/v1", "PodDisruptionBudget"),
)


async def observe(
    reader: Reader, world: World, remember: Remember, defaults: Defaults
) -> WorldObserved:
    """The World, what its namespace refers to it with, its lore, and its configuration service."""
    meta = world.metadata
    refs = needs(world)
    remember(refs)
    label = {WORLD: meta.name}
    ensembles, storytellers, experiments, texts, made, pods = await together(
        all_of(reader, ModelEnsemble, meta.namespace),
        all_of(reader, Storyteller, meta.namespace),
        experiments_of(reader, meta.namespace, meta.name),
        config_maps(reader, refs),
        children(reader, CHILDREN, meta.namespace, label),
        reader.list_all("v1", "Pod", meta.namespace, {**MANAGED_BY, **label}),
    )
    return WorldObserved(
        world=world,
        defaults=defaults,
        ensembles=tuple(e for e in ensembles if e.spec.world_ref == meta.name),
        storytellers=tuple(s for s in storytellers if s.spec.world_ref == meta.name),
        experiments=experiments,
        config_maps=texts,
        children=made,
        pods=tuple(pods),
    )
