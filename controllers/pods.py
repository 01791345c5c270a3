"""What every pod of ours has in common: the restricted security settings, labels, probes."""

from typing import Any

from controllers.plan import Object

#: The user that all images run as.
USER = 65532
HTTP_PORT = 8080
GRPC_PORT = 9090
MANAGED = {"app.kubernetes.io/managed-by": "fabula", "app.kubernetes.io/part-of": "fabula"}
#: Seconds between "no longer an endpoint" and SIGTERM, so that nobody is sent to a closing pod.
LEAVE_SECONDS = 3

POD_SECURITY: Object = {
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,
    "fsGroup": USER,
    "fsGroupChangePolicy": "OnRootMismatch",
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_SECURITY: Object = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def child(api_version: str, kind: str, name: str, namespace: str, **rest: Any) -> Object:
    """An object's frame: ``labels``, ``owners`` and ``annotations`` go to metadata, the rest to the
    top level."""
    metadata: Object = {"name": name, "namespace": namespace}
    for key, argument in (
        ("labels", "labels"),
        ("annotations", "annotations"),
        ("ownerReferences", "owners"),
    ):
        if value := rest.pop(argument, None):
            metadata[key] = value
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}


def config_reader(name: str, namespace: str, readable: list[str], **common: Any) -> list[Object]:
    """ServiceAccount, Role and RoleBinding of pods that may read these ConfigMaps and nothing else.
    ``common`` goes to each."""
    rule = {
        "apiGroups": [""],
        "resources": ["configmaps"],
        "resourceNames": readable,
        "verbs": ["get", "list", "watch"],
    }
    rbac = "rbac.authorization.k8s.io"
    return [
        child("v1", "ServiceAccount", name, namespace, **common),
        child(f"{rbac}/v1", "Role", name, namespace, rules=[rule], **common),
        child(
            f"{rbac}/v1",
            "RoleBinding",
            name,
            namespace,
            roleRef={"apiGroup": rbac, "kind": "Role", "name": name},
            subjects=[{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
            **common,
        ),
    ]


def http_probe(path: str, *, period: int, timeout: int, failures: int) -> Object:
    """A probe over HTTP on the container's only port. Seconds, and failures in a row."""
    return {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period,
        "timeoutSeconds": timeout,
        "failureThreshold": failures,
    }


def service(
    name: str, namespace: str, labels: Object, owners: list[Object], *, grpc: bool = False
) -> Object:
    """A Service in front of the pods that carry all these labels but the managed-by ones; with
    ``grpc``, on that port too."""
    selector = {key: value for key, value in labels.items() if key.startswith("fabula.dev/")}
    return child(
        "v1",
        "Service",
        name,
        namespace,
        labels=labels,
        owners=owners,
        spec={
            "selector": selector,
            "ports": [
                {"name": "http", "port": HTTP_PORT, "targetPort": "http"},
                *([_GRPC] if grpc else []),
            ],
        },
    )


#: ``appProtocol`` tells meshes and Gateways that it is HTTP/2 without TLS (KEP-3726).
_GRPC: Object = {
    "name": "grpc",
    "port": GRPC_PORT,
    "targetPort": "grpc",
    "appProtocol": "kubernetes.io/h2c",
}


def url(name: str, namespace: str, domain: str) -> str:
    """Where a Service answers inside the cluster."""
    return f"http://{name}.{namespace}.svc.{domain}:{HTTP_PORT}"
