"""The objects of a member revision: pod template, Deployment, Service; and of a member: its budget.

Plain functions from arguments to objects, tested without a cluster.
"""

from controllers.ensemble.engines import (
    FETCHED_DIR,
    HUGGINGFACE_DIR,
    MODELS_DIR,
    container,
    drain_seconds,
)
from controllers.ensemble.revision import image
from controllers.plan import Defaults, Object
from controllers.pods import (
    CONTAINER_SECURITY,
    HTTP_PORT,
    LEAVE_SECONDS,
    MANAGED,
    POD_SECURITY,
    child,
)
from crds.ensemble import FULL, Member
from crds.models import MODEL_FOLDER

ENSEMBLE = "fabula.dev/ensemble"
MEMBER = "fabula.dev/member"
VARIANT = "fabula.dev/variant"
REVISION = "fabula.dev/revision"


def ensemble_labels(ensemble: str) -> Object:
    return {**MANAGED, "app.kubernetes.io/name": "engine", ENSEMBLE: ensemble}


def member_labels(ensemble: str, member: str) -> Object:
    return {**ensemble_labels(ensemble), MEMBER: member}


def revision_labels(ensemble: str, member: str, rev: str, variant: str = FULL) -> Object:
    """The variant is named only where there is one, so that a member's own pods stay as they were
    before variants existed."""
    named = {} if variant == FULL else {VARIANT: variant}
    return {**member_labels(ensemble, member), **named, REVISION: rev}


def way_of(obj: Object) -> tuple[str, str]:
    """The member and variant that an object of an ensemble belongs to; no member where a label is
    missing."""
    labels: Object = obj["metadata"].get("labels") or {}
    return str(labels.get(MEMBER, "")), str(labels.get(VARIANT, FULL))


def pod_template(
    member: Member, defaults: Defaults, labels: Object, model: Object | None = None
) -> Object:
    """The pods of a member revision. Rendered once and stored.

    Args:
        member: what runs.
        defaults: what the operator decides where the spec is silent.
        labels: of the revision.
        model: the volume with the model, where that comes by uri.
    """
    engine = {
        "name": "engine",
        "image": image(member, defaults),
        "imagePullPolicy": defaults.image_pull_policy,
        "ports": [{"name": "http", "containerPort": HTTP_PORT}],
        "securityContext": CONTAINER_SECURITY,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "lifecycle": {"preStop": {"sleep": {"seconds": LEAVE_SECONDS}}},
        "volumeMounts": _mounts(member, model),
        **container(member),
    }
    if member.resources:
        engine["resources"] = member.resources.dump()
    spec: Object = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": POD_SECURITY,
        "terminationGracePeriodSeconds": LEAVE_SECONDS + drain_seconds(member) + 10,
        "containers": [engine],
        "volumes": [*_volumes(member), *([model] if model else [])],
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": _selector(labels)},
            }
        ],
    }
    if member.node_selector:
        spec["nodeSelector"] = member.node_selector
    if member.tolerations:
        spec["tolerations"] = [toleration.dump() for toleration in member.tolerations]
    if member.runtime_class_name:
        spec["runtimeClassName"] = member.runtime_class_name
    source = member.engine.source
    if source and source.credentials_secret_ref and model and "image" in model:
        spec["imagePullSecrets"] = [{"name": source.credentials_secret_ref.name}]
    return {"metadata": {"labels": labels}, "spec": spec}


def _mounts(member: Member, model: Object | None) -> list[Object]:
    mounts: list[Object] = [
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - an emptyDir of this pod
        {"name": "models", "mountPath": MODELS_DIR},
    ]
    if model:
        mount = {"name": model["name"], "mountPath": FETCHED_DIR, "readOnly": True}
        # What is in a claim beside the model is none of the engine's business.
        mounts.append(mount if "image" in model else {**mount, "subPath": MODEL_FOLDER})
    if vllm := member.engine.vllm:
        mounts.append({"name": "shm", "mountPath": "/dev/shm"})  # noqa: S108 - likewise
        if vllm.token_secret_ref:
            mounts.append({"name": "token", "mountPath": HUGGINGFACE_DIR, "readOnly": True})
    return mounts


def _volumes(member: Member) -> list[Object]:
    cache = member.model_cache
    models: Object = {"name": "models", "emptyDir": {}}
    if cache and cache.claim_name:
        models = {"name": "models", "persistentVolumeClaim": {"claimName": cache.claim_name}}
    elif cache and cache.size_limit:
        models["emptyDir"] = {"sizeLimit": cache.size_limit}
    volumes: list[Object] = [{"name": "tmp", "emptyDir": {}}, models]
    if vllm := member.engine.vllm:
        # NCCL moves tensors between GPUs through shared memory; the runtime's 64 MiB are too few.
        volumes.append({"name": "shm", "emptyDir": {"medium": "Memory"}})
        if ref := vllm.token_secret_ref:
            secret = {
                "secretName": ref.name,
                "optional": True,
                "items": [{"key": ref.key, "path": ref.key}],
            }
            volumes.append({"name": "token", "secret": secret})
    return volumes


def _selector(labels: Object) -> Object:
    return {key: labels[key] for key in (ENSEMBLE, MEMBER, REVISION)}


def deployment(
    name: str,
    namespace: str,
    replicas: int,
    template: Object,
    labels: Object,
    owners: list[Object],
) -> Object:
    """The Deployment of a member revision. Its template never changes."""
    return child(
        "apps/v1",
        "Deployment",
        name,
        namespace,
        labels=labels,
        owners=owners,
        spec={
            "replicas": replicas,
            "revisionHistoryLimit": 0,
            "selector": {"matchLabels": _selector(labels)},
            "template": template,
        },
    )


def disruption_budget(name: str, namespace: str, labels: Object, owners: list[Object]) -> Object:
    """At most one pod of a member is taken away at a time by drains, those of its variants
    included: one stands in while another is out."""
    return child(
        "policy/v1",
        "PodDisruptionBudget",
        name,
        namespace,
        labels=labels,
        owners=owners,
        spec={
            "maxUnavailable": 1,
            "selector": {"matchLabels": {key: labels[key] for key in (ENSEMBLE, MEMBER)}},
        },
    )
