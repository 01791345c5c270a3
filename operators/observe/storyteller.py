"""What a Storyteller's decision needs, and what is left when it is gone."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from controllers.observed import StorytellerGone, StorytellerObserved, needs
from controllers.plan import Defaults, Object, Ref
from controllers.storyteller.workload import STORYTELLER
from crds import ModelEnsemble, Storyteller, World
from crds.gateway import GatewayReport
from operators.observe.experiment import experiments_of
from operators.observe.reading import (
    MANAGED_BY,
    RBAC,
    Reader,
    Remember,
    children,
    config_maps,
    referred,
    together,
)

CHILDREN = (
    ("apps/v1", "StatefulSet"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
    (RBAC, "Role"),
    (RBAC, "RoleBinding"),
    ("v1", "ConfigMap"),
    ("policy/v1", "PodDisruptionBudget"),
)

#: Asks the gateways among these pods of a Storyteller how they are, and to prove their logs from a
#: size on.
Ask = Callable[[str, Sequence[Object], Mapping[str, int]], Awaitable[Mapping[str, GatewayReport]]]


async def observe(
    reader: Reader, storyteller: Storyteller, remember: Remember, defaults: Defaults, ask: Ask
) -> StorytellerObserved:
    """The Storyteller, what it refers to, its children, and what its gateways say."""
    meta, spec = storyteller.metadata, storyteller.spec
    remember(needs(storyteller))
    label = {STORYTELLER: meta.name}
    world, ensemble, experiments, made, pods = await together(
        referred(reader, World, meta.namespace, spec.world_ref),
        referred(reader, ModelEnsemble, meta.namespace, spec.ensemble_ref),
        experiments_of(reader, meta.namespace, spec.world_ref),
        children(reader, CHILDREN, meta.namespace, label),
        reader.list_all("v1", "Pod", meta.namespace, {**MANAGED_BY, **label}),
    )
    refs = needs(storyteller, world, experiments)
    remember(refs)
    since = {log.replica: log.size for log in storyteller.status.audit}
    texts, reports = await together(config_maps(reader, refs), ask(meta.name, pods, since))
    return StorytellerObserved(
        storyteller=storyteller,
        defaults=defaults,
        world=world,
        ensemble=ensemble,
        experiments=experiments,
        config_maps=texts,
        children=made,
        pods=tuple(pods),
        reports=reports,
    )


async def observe_gone(reader: Reader, ref: Ref) -> StorytellerGone:
    """The claims that a Storyteller left behind."""
    claims = await reader.list_all(
        "v1", "PersistentVolumeClaim", ref.namespace, {**MANAGED_BY, STORYTELLER: ref.name}
    )
    return StorytellerGone(name=ref.name, namespace=ref.namespace, claims=tuple(claims))
