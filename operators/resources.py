"""Where each kind lives under the API server. A fixed table: the operator needs no discovery."""

from urllib.parse import quote

from controllers.plan import Ref
from crds import API_VERSION, KINDS

PLURALS: dict[tuple[str, str], str] = {
    ("v1", "ConfigMap"): "configmaps",
    ("v1", "Event"): "events",
    ("v1", "PersistentVolumeClaim"): "persistentvolumeclaims",
    ("v1", "Pod"): "pods",
    ("v1", "Service"): "services",
    ("v1", "ServiceAccount"): "serviceaccounts",
    ("apps/v1", "ControllerRevision"): "controllerrevisions",
    ("apps/v1", "Deployment"): "deployments",
    ("apps/v1", "StatefulSet"): "statefulsets",
    ("batch/v1", "Job"): "jobs",
    ("coordination.k8s.io/v1", "Lease"): "leases",
    ("policy/v1", "PodDisruptionBudget"): "poddisruptionbudgets",
    ("rbac.authorization.k8s.io/v1", "Role"): "roles",
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): "rolebindings",
    **{(API_VERSION, kind.names.kind): kind.names.plural for kind in KINDS},
}


def version_path(api_version: str) -> str:
    """The root of a group and version: core has one of its own."""
    return f"/api/{api_version}" if "/" not in api_version else f"/apis/{api_version}"


def collection_path(api_version: str, kind: str, namespace: str | None) -> str:
    """All objects of a kind, in one namespace or in all."""
    inside = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
    return f"{version_path(api_version)}{inside}/{PLURALS[api_version, kind]}"


def object_path(ref: Ref, subresource: str = "") -> str:
    """One object, or one of its subresources."""
    path = f"{collection_path(ref.api_version, ref.kind, ref.namespace)}/{quote(ref.name, safe='')}"
    return f"{path}/{subresource}" if subresource else path
