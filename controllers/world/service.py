"""The objects of a World's configuration service: a Deployment and its Service, the ConfigMap that
it serves from, and an identity that may read that ConfigMap and nothing else."""

from collections.abc import Sequence

from controllers.plan import Defaults, Object
from controllers.pods import (
    CONTAINER_SECURITY,
    HTTP_PORT,
    LEAVE_SECONDS,
    MANAGED,
    POD_SECURITY,
    child,
    config_reader,
    http_probe,
    service,
)
from controllers.world.tunables import digest
from crds.config import CONFIG_KEY, WorldConfig
from crds.gateway import API_KEYS_DIR
from crds.trials import Trial
from crds.tunables import Tunable
from crds.world import World

WORLD = "fabula.dev/world"
#: It answers from memory, of which it takes about 75 MB. The limit is a guard against leaks.
RESOURCES: Object = {
    "requests": {"cpu": "20m", "memory": "80Mi"},
    "limits": {"memory": "192Mi"},
}
#: Seconds for the answers that are being given when a pod is stopped; after 10 the process cuts
#: them off. Who waits for a change is answered at once.
DRAIN_SECONDS = 15


def service_name(world: str) -> str:
    """The name of every child of a World."""
    return f"{world}-config"


def labels(world: str) -> Object:
    return {**MANAGED, "app.kubernetes.io/name": "config", WORLD: world}


def objects(
    world: World, told: WorldConfig, defaults: Defaults, owners: list[Object]
) -> list[Object]:
    """All of them, in the order in which they are needed."""
    meta = world.metadata
    name, namespace = service_name(meta.name), meta.namespace
    common = {"labels": labels(meta.name), "owners": owners}
    replicas = world.spec.service.replicas
    config = told.model_dump_json(by_alias=True, exclude_none=True, indent=1)
    budget = {"maxUnavailable": 1, "selector": {"matchLabels": _match(meta.name)}}
    return [
        *config_reader(name, namespace, [name], **common),
        child("v1", "ConfigMap", name, namespace, data={CONFIG_KEY: config}, **common),
        service(name, namespace, labels(meta.name), owners),
        *(
            [child("policy/v1", "PodDisruptionBudget", name, namespace, spec=budget, **common)]
            if replicas > 1
            else []
        ),
        child(
            "apps/v1",
            "Deployment",
            name,
            namespace,
            spec=_deployment(world, replicas, defaults),
            **common,
        ),
    ]


def world_config(world: World, tunables: Sequence[Tunable], trials: list[Trial]) -> WorldConfig:
    """What the service is told.

    Args:
        world: whose service.
        tunables: those that can be served, with the values that hold.
        trials: the experiments that are under way.
    """
    asked = world.spec.service
    return WorldConfig(
        world=world.metadata.name,
        generation=world.metadata.generation,
        digest=digest(tunables),
        tunables=tuple(tunables),
        trials=trials,
        api_keys_dir=API_KEYS_DIR if asked.api_keys_secret_ref else None,
        cors_origins=tuple(asked.cors.origins) if asked.cors else (),
        per_key_per_minute=asked.per_key_per_minute,
        replicas=asked.replicas,
    )


def _match(world: str) -> Object:
    tags = labels(world)
    return {key: tags[key] for key in ("app.kubernetes.io/name", WORLD)}


def _deployment(world: World, replicas: int, defaults: Defaults) -> Object:
    name = world.metadata.name
    return {
        "replicas": replicas,
        "revisionHistoryLimit": 2,
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
        },
        "selector": {"matchLabels": _match(name)},
        "template": {"metadata": {"labels": labels(name)}, "spec": _pod(world, defaults)},
    }


def _pod(world: World, defaults: Defaults) -> Object:
    name = service_name(world.metadata.name)
    env = {"FABULA_NAMESPACE": world.metadata.namespace, "FABULA_CONFIG_MAP": name}
    mounts: list[Object] = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 - of this pod
    volumes: list[Object] = [{"name": "tmp", "emptyDir": {}}]
    if games := world.spec.service.api_keys_secret_ref:
        # Without it the service runs and refuses every call.
        secret = {"name": games.name, "optional": True}
        volumes.append({"name": "api-keys", "projected": {"sources": [{"secret": secret}]}})
        mounts.append({"name": "api-keys", "mountPath": API_KEYS_DIR, "readOnly": True})
    container = {
        "name": "config",
        "image": defaults.gateway_image,
        "command": ["python3", "-m", "runtime.config"],
        "imagePullPolicy": defaults.image_pull_policy,
        "ports": [{"name": "http", "containerPort": HTTP_PORT}],
        "env": [{"name": key, "value": value} for key, value in env.items()],
        "resources": RESOURCES,
        "securityContext": CONTAINER_SECURITY,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "lifecycle": {"preStop": {"sleep": {"seconds": LEAVE_SECONDS}}},
        "startupProbe": http_probe("/livez", period=1, timeout=2, failures=120),
        "readinessProbe": http_probe("/readyz", period=3, timeout=2, failures=2),
        "livenessProbe": http_probe("/livez", period=20, timeout=10, failures=6),
        "volumeMounts": mounts,
    }
    return {
        "serviceAccountName": name,
        "enableServiceLinks": False,
        "securityContext": POD_SECURITY,
        "terminationGracePeriodSeconds": LEAVE_SECONDS + DRAIN_SECONDS,
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": _match(world.metadata.name)},
            }
        ],
        "containers": [container],
        "volumes": volumes,
    }
