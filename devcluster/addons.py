"""What runs in a cluster from the start: CoreDNS for names, local-path for volumes."""

import json
from collections.abc import Iterator
from typing import Any

from devcluster.kubeapi import Api
from devcluster.layout import CLUSTER_DOMAIN, Layout
from devcluster.node import VOLUMES
from devcluster.versions import COREDNS_IMAGE, LOCAL_PATH_IMAGE, SHELL_IMAGE

NAMESPACE = "kube-system"
DEPLOYMENTS = ("coredns", "local-path-provisioner")
_DNS_PORT = 1053  # an unprivileged one, the Service makes it 53
_COREFILE = f"""\
{CLUSTER_DOMAIN}:{_DNS_PORT} in-addr.arpa:{_DNS_PORT} ip6.arpa:{_DNS_PORT} {{
    errors
    health
    ready
    kubernetes {CLUSTER_DOMAIN} in-addr.arpa ip6.arpa {{
        pods insecure
        ttl 5
    }}
    prometheus :9153
    cache 5
    loadbalance
}}
# No name outside the cluster can be reached: say so at once instead of after a timeout.
.:{_DNS_PORT} {{
    template ANY ANY {{
        rcode NXDOMAIN
    }}
}}
"""
_HELPER = """\
apiVersion: v1
kind: Pod
metadata:
  name: helper-pod
spec:
  priorityClassName: system-node-critical
  terminationGracePeriodSeconds: 0
  containers:
    - name: helper-pod
      image: {image}
      imagePullPolicy: IfNotPresent
"""
_RBAC = "rbac.authorization.k8s.io"
_RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}
_READ = ["get", "list", "watch"]


def apply(layout: Layout, api: Api) -> bool:
    """Apply every object; again is as good as once."""
    for path, content in objects(layout):
        api.apply(path, content)
    return True


def are_ready(api: Api) -> bool:
    return all(is_available(api, name) for name in DEPLOYMENTS)


def is_available(api: Api, name: str) -> bool:
    found = api.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{name}") or {}
    return bool(found.get("status", {}).get("availableReplicas", 0))


def objects(layout: Layout) -> Iterator[tuple[str, dict[str, Any]]]:
    """Path at the API server and content, in an order in which each may follow the one before."""
    for name in DEPLOYMENTS:
        yield _core("serviceaccounts", {"kind": "ServiceAccount", "metadata": _meta(name)})
        yield from _rules(name)
    yield from _coredns(layout)
    yield from _local_path()


def _coredns(layout: Layout) -> Iterator[tuple[str, dict[str, Any]]]:
    yield _core("configmaps", _config_map("coredns", {"Corefile": _COREFILE}))
    container = {
        "args": ["-conf", "/etc/coredns/Corefile"],
        "image": COREDNS_IMAGE,
        "livenessProbe": {"httpGet": {"path": "/health", "port": 8080}},
        "readinessProbe": {
            "httpGet": {"path": "/ready", "port": 8181},
            "periodSeconds": 1,
        },
        "resources": {"requests": {"cpu": "10m", "memory": "30Mi"}},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns"}],
    }
    yield _deployment("coredns", container)
    ports = [
        {"name": f"dns-{protocol.lower()}", "port": 53, "protocol": protocol}
        | {"targetPort": _DNS_PORT}
        for protocol in ("UDP", "TCP")
    ]
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _meta("kube-dns"),
        "spec": {
            "clusterIP": str(layout.dns_service),
            "selector": {"app": "coredns"},
            "ports": ports,
        },
    }
    yield _core("services", service)


def _local_path() -> Iterator[tuple[str, dict[str, Any]]]:
    paths = {"nodePathMap": [{"node": "DEFAULT_PATH_FOR_NON_LISTED_NODES", "paths": [VOLUMES]}]}
    data = {
        "config.json": json.dumps(paths),
        "setup": '#!/bin/sh\nset -eu\nmkdir -m 0777 -p "$VOL_DIR"\n',
        "teardown": '#!/bin/sh\nset -eu\nrm -rf "$VOL_DIR"\n',
        "helperPod.yaml": _HELPER.format(image=SHELL_IMAGE),
    }
    yield _core("configmaps", _config_map("local-path-provisioner", data))
    container = {
        "args": [
            "start",
            "--config=/etc/config/config.json",
            "--configmap-name=local-path-provisioner",
            f"--namespace={NAMESPACE}",
            "--service-account-name=local-path-provisioner",
            f"--helper-image={SHELL_IMAGE}",
        ],
        "env": [{"name": "CONFIG_MOUNT_PATH", "value": "/etc/config/"}],
        "image": LOCAL_PATH_IMAGE,
        "resources": {"requests": {"cpu": "10m", "memory": "30Mi"}},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/config"}],
    }
    yield _deployment("local-path-provisioner", container)
    storage_class = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": "local-path",
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "rancher.io/local-path",
        "volumeBindingMode": "WaitForFirstConsumer",
        "reclaimPolicy": "Delete",
    }
    yield "/apis/storage.k8s.io/v1/storageclasses/local-path", storage_class


def _rules(name: str) -> list[tuple[str, dict[str, Any]]]:
    """What each may do; the provisioner also makes the pods that create and empty folders."""
    if name == "coredns":
        rules = [
            _rule("", ["endpoints", "services", "pods", "namespaces"], ["list", "watch"]),
            _rule("discovery.k8s.io", ["endpointslices"], ["list", "watch"]),
        ]
    else:
        rules = [
            _rule("", ["nodes", "persistentvolumeclaims", "configmaps", "pods/log"], _READ),
            _rule("", ["persistentvolumes"], [*_READ, "create", "patch", "update", "delete"]),
            _rule("", ["pods"], [*_READ, "create", "patch", "update", "delete"]),
            _rule("", ["events"], ["create", "patch"]),
            _rule("storage.k8s.io", ["storageclasses"], _READ),
        ]
    role = {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": f"devcluster:{name}"},
        "rules": rules,
    }
    binding = {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"devcluster:{name}"},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": f"devcluster:{name}"},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}],
    }
    return [
        (f"/apis/{_RBAC}/v1/clusterroles/devcluster:{name}", role),
        (f"/apis/{_RBAC}/v1/clusterrolebindings/devcluster:{name}", binding),
    ]


def _deployment(name: str, container: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    labels = {"app": name}
    pod = {
        "serviceAccountName": name,
        "priorityClassName": "system-cluster-critical",
        "terminationGracePeriodSeconds": 1,
        "dnsPolicy": "Default",
        "tolerations": [{"operator": "Exists"}],
        "containers": [
            container
            | {
                "name": name,
                "imagePullPolicy": "IfNotPresent",
                "securityContext": _RESTRICTED,
            }
        ],
        "volumes": [{"name": "config", "configMap": {"name": name}}],
    }
    content = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _meta(name),
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
    return f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{name}", content


def _core(plural: str, content: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    name = content["metadata"]["name"]
    return f"/api/v1/namespaces/{NAMESPACE}/{plural}/{name}", {"apiVersion": "v1"} | content


def _config_map(name: str, data: dict[str, str]) -> dict[str, Any]:
    return {"kind": "ConfigMap", "metadata": _meta(name), "data": data}


def _meta(name: str) -> dict[str, Any]:
    return {"name": name, "namespace": NAMESPACE}


def _rule(group: str, resources: list[str], verbs: list[str]) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": resources, "verbs": verbs}
