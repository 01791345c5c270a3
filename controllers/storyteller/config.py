"""What the gateways of a Storyteller are told: one ConfigMap, watched, effective at once."""

from controllers.ensemble.routes import config_map_name
from controllers.experiment.trials import trials
from controllers.observed import StorytellerObserved
from controllers.plan import Object
from controllers.pods import child
from controllers.storyteller.templates import Held
from controllers.storyteller.workload import gateway_name, labels
from controllers.texts import text
from crds.gateway import (
    API_KEYS_DIR,
    CONFIG_KEY,
    DEFAULT_FALLBACK,
    DEFAULT_PERSONA,
    GatewayConfig,
)
from crds.limits import Budget, Limits


def gateway_config(seen: StorytellerObserved, held: Held) -> GatewayConfig:
    """The configuration, texts included.

    Args:
        seen: the Storyteller and what it refers to.
        held: the templates.

    Raises:
        MissingTextError: a ConfigMap or key that the spec or its World names is not there.
    """
    storyteller, world = seen.storyteller, seen.world
    spec = storyteller.spec
    persona, lore = DEFAULT_PERSONA, ""
    if spec.persona:
        ref = spec.persona.config_map_ref
        persona = text(ref, "spec.persona.configMapRef", seen.config_maps)
    if world and world.spec.lore:
        field = f"spec.lore.configMapRef of World {world.metadata.name}"
        lore = text(world.spec.lore.config_map_ref, field, seen.config_maps)
    offered = {(each.name, each.digest) for each in held.tried}
    return GatewayConfig(
        storyteller=storyteller.metadata.name,
        namespace=storyteller.metadata.namespace,
        generation=storyteller.metadata.generation,
        world=spec.world_ref,
        title=(world.spec.title if world else None) or spec.world_ref or storyteller.metadata.name,
        lore=lore,
        persona=persona,
        fallback_lines=tuple(spec.fallback.lines) if spec.fallback else DEFAULT_FALLBACK,
        api_keys_dir=API_KEYS_DIR if spec.api_keys_secret_ref else None,
        api_keys_secret=spec.api_keys_secret_ref.name if spec.api_keys_secret_ref else None,
        cors_origins=tuple(spec.cors.origins) if spec.cors else (),
        limits=spec.limits or Limits(),
        budget=(world.spec.budget if world else None) or Budget(),
        sessions=spec.sessions,
        replicas=spec.replicas if world and world.spec.redis else 1,
        prompts=dict(held.texts),
        cache=spec.cache,
        routes_config_map=config_map_name(spec.ensemble_ref),
        retention_days=spec.decision_log.retention_days,
        cohorts=[each.name for each in world.spec.cohorts] if world else [],
        trials=trials(world, seen.experiments, storyteller.metadata.name, offered) if world else [],
        tried=list(held.tried),
    )


def config_map(config: GatewayConfig, owners: list[Object]) -> Object:
    """The ConfigMap that carries it."""
    return child(
        "v1",
        "ConfigMap",
        gateway_name(config.storyteller),
        config.namespace,
        labels=labels(config.storyteller),
        owners=owners,
        data={CONFIG_KEY: config.model_dump_json(by_alias=True, exclude_none=True, indent=1)},
    )
