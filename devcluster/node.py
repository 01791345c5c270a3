"""The programs of a node, containerd and kubelet, and how each is told what to do."""

import json
from pathlib import Path

import yaml

from devcluster import build, files, kubeconfig, network, ports
from devcluster.kubeapi import Api
from devcluster.layout import CLUSTER_DOMAIN, Layout, Node
from devcluster.privileges import CAP_SYS_RESOURCE, has_capability
from devcluster.processes import Service
from devcluster.versions import CNI, PAUSE_IMAGE, RUNC

VOLUMES = "/opt/local-path-provisioner"
"""Where a node keeps the volumes of the default storage class, as the node sees it."""

_UNUSED_PLUGINS = (
    "io.containerd.snapshotter.v1.blockfile",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.erofs",
    "io.containerd.snapshotter.v1.zfs",
    "io.containerd.nri.v1.nri",
)


def write_files(layout: Layout, node: Node) -> None:
    """Everything the node's programs read that is not a certificate."""
    kubelet = yaml.safe_dump(kubelet_config(layout, node), sort_keys=False)
    files.write(node.state / "cni" / "10-pods.conflist", json.dumps(cni_config(node), indent=2))
    files.write(node.state / "containerd.toml", containerd_config(node))
    files.write(node.state / "resolv.conf", "# this network has no way out\n")
    files.write(node.state / "kubelet.yaml", kubelet)
    kubeconfig.write(layout, node.state / "kubelet.kubeconfig", node.name)


def containerd(layout: Layout, node: Node) -> Service:
    return Service(
        f"{node.name}-containerd",
        ["containerd", f"--config={node.state}/containerd.toml"],
        lambda: ports.answers(node.containerd_socket),
        network.enter_node(layout, node),
    )


def kubelet(layout: Layout, node: Node, api: Api) -> Service:
    return Service(
        f"{node.name}-kubelet",
        [
            "kubelet",
            f"--config={node.state}/kubelet.yaml",
            f"--kubeconfig={node.state}/kubelet.kubeconfig",
            f"--hostname-override={node.name}",
            f"--node-ip={node.address}",
        ],
        lambda: is_ready(api, node),
        network.enter_node(layout, node),
    )


def is_ready(api: Api, node: Node) -> bool:
    found = api.get(f"/api/v1/nodes/{node.name}") or {}
    return any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for condition in found.get("status", {}).get("conditions", [])
    )


def cni_config(node: Node) -> dict[str, object]:
    """A routed link for each pod, so that traffic between pods passes the service rules."""
    return {
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [
            {
                "type": "ptp",
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": str(node.pods)}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}, "backend": "nftables"},
        ],
    }


def containerd_config(node: Node) -> str:
    restrict = "false" if has_capability(CAP_SYS_RESOURCE) else "true"
    return f"""\
version = 3
root = "{node.state}/containerd"
state = "{node.run}/containerd"
disabled_plugins = {json.dumps(_UNUSED_PLUGINS)}

[grpc]
address = "{node.containerd_socket}"

[plugins.'io.containerd.cri.v1.images']
snapshotter = "overlayfs"

[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = "{PAUSE_IMAGE}"

[plugins.'io.containerd.cri.v1.runtime']
# Lowering a score below the parent's needs CAP_SYS_RESOURCE.
restrict_oom_score_adj = {restrict}

[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ["{build.entry(CNI)}"]
conf_dir = "{node.state}/cni"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
BinaryName = "{build.program(RUNC, "runc")}"
SystemdCgroup = false
"""


def kubelet_config(layout: Layout, node: Node) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": str(node.address),
        "healthzBindAddress": str(node.address),
        "readOnlyPort": 0,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(layout.pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(layout.pki / f"{node.name}.crt"),
        "tlsPrivateKeyFile": str(layout.pki / f"{node.name}.key"),
        "containerRuntimeEndpoint": f"unix://{node.containerd_socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{layout.cgroup}/{node.name}",
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "clusterDNS": [str(layout.dns_service)],
        "clusterDomain": CLUSTER_DOMAIN,
        "resolvConf": str(node.state / "resolv.conf"),
        "volumePluginDir": str(node.state / "volume-plugins"),
        "makeIPTablesUtilChains": False,
        "serializeImagePulls": False,
        # Secrets and ConfigMaps that change reach their volumes within this time.
        "syncFrequency": "10s",
        # Its own limit on calls would make many pods at once wait.
        "kubeAPIQPS": 100,
        "kubeAPIBurst": 200,
        # Images are loaded by hand and cannot be pulled again: never collect them.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%"},
    }


def images(node: Node, ctr: Path, *command: str) -> list[str]:
    """`ctr images ...` against the node, run from the machine."""
    return [
        str(ctr),
        f"--address={node.containerd_socket}",
        "--namespace=k8s.io",
        "images",
        *command,
    ]
