"""The objects of a Storyteller's gateways: StatefulSet, the Service between replicas and what keeps
them apart, and an identity that may read two ConfigMaps and nothing else."""

from controllers.ensemble.routes import config_map_name
from controllers.ensemble.variants import ways
from controllers.plan import Defaults, Object
from controllers.pods import (
    CONTAINER_SECURITY,
    GRPC_PORT,
    HTTP_PORT,
    LEAVE_SECONDS,
    MANAGED,
    POD_SECURITY,
    child,
    config_reader,
    http_probe,
)
from crds.common import DeletionPolicy
from crds.ensemble import ModelEnsemble
from crds.gateway import API_KEYS_DIR, DATA_DIR, KEYS_DIR, STORES_DIR
from crds.storyteller import Storyteller
from crds.world import Redis

STORYTELLER = "fabula.dev/storyteller"
#: Decisions under way may finish when a gateway is stopped: at least so long, and as long as the
#: ensemble waits for answers plus this margin.
DRAIN_SECONDS, DRAIN_MARGIN = 30, 5
#: Then the last turns are noted and the log is signed, also where Redis does not answer.
CLOSE_SECONDS = 10
#: Small, and no limit: a storyteller at peak is held by its queue, not killed by its node.
RESOURCES: Object = {"requests": {"cpu": "50m", "memory": "128Mi"}}
#: What the StatefulSet and its claims are called in `volumeClaimTemplates`.
VOLUME = "data"
#: The volume with the address of the hot store.
HOT_VOLUME = "hot-store"


def gateway_name(storyteller: str) -> str:
    """The name of every child of a Storyteller."""
    return f"{storyteller}-gateway"


def peers_name(storyteller: str) -> str:
    """The Service whose name has the address of every replica, ready or not."""
    return f"{gateway_name(storyteller)}-peers"


def labels(storyteller: str) -> Object:
    return {**MANAGED, "app.kubernetes.io/name": "gateway", STORYTELLER: storyteller}


def selector(storyteller: str) -> str:
    """The gateways, as a label selector."""
    return f"app.kubernetes.io/name=gateway,{STORYTELLER}={storyteller}"


def identity(storyteller: Storyteller, owners: list[Object]) -> list[Object]:
    """ServiceAccount, Role and RoleBinding: read its configuration and its route table."""
    name = gateway_name(storyteller.metadata.name)
    return config_reader(
        name,
        storyteller.metadata.namespace,
        [name, config_map_name(storyteller.spec.ensemble_ref)],
        labels=labels(storyteller.metadata.name),
        owners=owners,
    )


def peers(storyteller: Storyteller, owners: list[Object]) -> Object:
    """How replicas find each other: a replica that is asked for a decision in the log of another
    asks that one. It is not the StatefulSet's own `serviceName`, which cannot change."""
    return child(
        "v1",
        "Service",
        peers_name(storyteller.metadata.name),
        storyteller.metadata.namespace,
        labels=labels(storyteller.metadata.name),
        owners=owners,
        spec={
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": _match(storyteller.metadata.name),
            "ports": [{"name": "http", "port": HTTP_PORT, "targetPort": "http"}],
        },
    )


def disruption_budget(storyteller: Storyteller, owners: list[Object]) -> Object:
    """Nodes are emptied one replica at a time."""
    return child(
        "policy/v1",
        "PodDisruptionBudget",
        gateway_name(storyteller.metadata.name),
        storyteller.metadata.namespace,
        labels=labels(storyteller.metadata.name),
        owners=owners,
        spec={
            "maxUnavailable": 1,
            "selector": {"matchLabels": _match(storyteller.metadata.name)},
        },
    )


def stateful_set(
    storyteller: Storyteller,
    ensemble: ModelEnsemble,
    policy: DeletionPolicy,
    replicas: int,
    hot: Redis | None,
    defaults: Defaults,
    owners: list[Object],
) -> Object:
    """The gateways, each with a volume for its log.

    Args:
        storyteller: as the spec has it.
        ensemble: whose hosted members' keys are mounted.
        policy: what becomes of the volumes with the StatefulSet.
        replicas: how many may run, which is not always how many are asked for.
        hot: where sessions are kept; None: on the volume.
        defaults: the operator's own choices.
        owners: owner references.
    """
    name, namespace = gateway_name(storyteller.metadata.name), storyteller.metadata.namespace
    tags = labels(storyteller.metadata.name)
    log = storyteller.spec.decision_log
    claim: Object = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": log.storage}},
    }
    if log.storage_class_name:
        claim["storageClassName"] = log.storage_class_name
    return child(
        "apps/v1",
        "StatefulSet",
        name,
        namespace,
        labels=tags,
        owners=owners,
        spec={
            "serviceName": name,
            "replicas": replicas,
            "podManagementPolicy": "Parallel",
            "revisionHistoryLimit": 2,
            "updateStrategy": {"type": "RollingUpdate"},
            "selector": {"matchLabels": _match(storyteller.metadata.name)},
            "persistentVolumeClaimRetentionPolicy": {
                "whenDeleted": policy,
                "whenScaled": "Retain",
            },
            "template": {
                "metadata": {"labels": tags},
                "spec": _pod(storyteller, ensemble, hot, defaults, name),
            },
            "volumeClaimTemplates": [{"metadata": {"name": VOLUME, "labels": tags}, "spec": claim}],
        },
    )


def _match(storyteller: str) -> Object:
    tags = labels(storyteller)
    return {key: tags[key] for key in ("app.kubernetes.io/name", STORYTELLER)}


def _pod(
    storyteller: Storyteller,
    ensemble: ModelEnsemble,
    hot: Redis | None,
    defaults: Defaults,
    name: str,
) -> Object:
    spec = storyteller.spec
    files = _files(storyteller, ensemble, hot)
    drain = max(DRAIN_SECONDS, ensemble.spec.consensus.timeout_seconds + DRAIN_MARGIN)
    env = {
        "FABULA_NAMESPACE": storyteller.metadata.namespace,
        "FABULA_CONFIG_MAP": name,
        "FABULA_DATA_DIR": DATA_DIR,
        # The pod leaves its Service in the preStop hook; nothing is left to wait for.
        "FABULA_DRAIN_DELAY_SECONDS": "0",
        "FABULA_DRAIN_SECONDS": str(drain),
        **(_shared(storyteller, hot, defaults) if hot else {}),
    }
    container = {
        "name": "gateway",
        "image": spec.image or defaults.gateway_image,
        "imagePullPolicy": defaults.image_pull_policy,
        "ports": [
            {"name": "http", "containerPort": HTTP_PORT},
            {"name": "grpc", "containerPort": GRPC_PORT},
        ],
        "env": [{"name": key, "value": value} for key, value in env.items()],
        "resources": spec.resources.dump() if spec.resources else RESOURCES,
        "securityContext": CONTAINER_SECURITY,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "lifecycle": {"preStop": {"sleep": {"seconds": LEAVE_SECONDS}}},
        # Not /readyz: a gateway whose store or configuration is away says so and waits for it.
        "startupProbe": http_probe("/livez", period=1, timeout=2, failures=120),
        "readinessProbe": http_probe("/readyz", period=3, timeout=2, failures=2),
        "livenessProbe": http_probe("/livez", period=20, timeout=10, failures=6),
        "volumeMounts": [
            {"name": VOLUME, "mountPath": DATA_DIR},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - an emptyDir of this pod
            *({"name": each, "mountPath": path, "readOnly": True} for each, path, _ in files),
        ],
    }
    spread: Object = {
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": _match(storyteller.metadata.name)},
            }
        ]
    }
    return {
        "serviceAccountName": name,
        "enableServiceLinks": False,
        "securityContext": POD_SECURITY,
        "terminationGracePeriodSeconds": LEAVE_SECONDS + drain + CLOSE_SECONDS,
        # Members are called by full names; the default of 5 dots would look each up four times.
        "dnsConfig": {"options": [{"name": "ndots", "value": "2"}]},
        # With a hot store more replicas need no restart of those that run.
        **(spread if hot else {}),
        "containers": [container],
        "volumes": [
            {"name": "tmp", "emptyDir": {}},
            *({"name": each, "projected": {"sources": sources}} for each, _, sources in files),
        ],
    }


def _shared(storyteller: Storyteller, hot: Redis, defaults: Defaults) -> dict[str, str]:
    """The settings of a gateway that is one of several."""
    meta, ref = storyteller.metadata, hot.address_secret_ref
    place = f"{peers_name(meta.name)}.{meta.namespace}.svc.{defaults.cluster_domain}"
    return {
        "FABULA_STORYTELLER": meta.name,
        "FABULA_REDIS_URL_FILE": f"{STORES_DIR}/hot/{ref.key}",
        "FABULA_REDIS_SECRET": f"{ref.name}/{ref.key}",
        "FABULA_PEERS": f"{place}:{HTTP_PORT}",
    }


def _files(
    storyteller: Storyteller, ensemble: ModelEnsemble, hot: Redis | None
) -> list[tuple[str, str, list[Object]]]:
    """Secrets as files: name of the volume, where it is mounted, what is in it."""
    files = []
    if keys := _keys(ensemble):
        files.append(("keys", KEYS_DIR, keys))
    if hot:
        ref = hot.address_secret_ref
        items = [{"key": ref.key, "path": ref.key}]
        secret = {"secret": {"name": ref.name, "optional": True, "items": items}}
        files.append((HOT_VOLUME, f"{STORES_DIR}/hot", [secret]))
    if games := storyteller.spec.api_keys_secret_ref:
        # Without it the gateway runs, refuses every call, and says so.
        secret = {"secret": {"name": games.name, "optional": True}}
        files.append(("api-keys", API_KEYS_DIR, [secret]))
    return files


def _keys(ensemble: ModelEnsemble) -> list[Object]:
    """API keys of hosted members and their variants as files. Optional: a missing one puts only
    its member or variant out."""
    sources: list[Object] = []
    for way in (way for member in ensemble.spec.members for way in ways(member)):
        if hosted := way.member.engine.hosted:
            ref = hosted.api_key_secret_ref
            items = [{"key": ref.key, "path": f"{way.key_folder}/{ref.key}"}]
            sources.append({"secret": {"name": ref.name, "optional": True, "items": items}})
    return sources
