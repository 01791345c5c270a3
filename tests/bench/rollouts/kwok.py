"""Nodes that only pretend, by kwok: their pods are ready at once and cost nothing."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devcluster import Cluster, Progress, build, modules
from devcluster.versions import KWOK
from tests.e2e.kube import Kube, Object

NODE = "pretended"
#: Room for twice a hundred rollouts.
PODS = "400"
_TAINT = {"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}
#: Fields of a pod that is put there.
THERE: Object = {
    "nodeSelector": {"type": "kwok"},
    "tolerations": [{"key": _TAINT["key"], "operator": "Exists", "effect": "NoSchedule"}],
}

_STAGES = (
    "node/fast/node-initialize.yaml",
    "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "pod/fast/pod-ready.yaml",
    "pod/fast/pod-complete.yaml",
    "pod/fast/pod-delete.yaml",
)


@contextmanager
def node(cluster: Cluster, folder: Path) -> Iterator[None]:
    """A pretended node beside the real ones, for as long as the block runs."""
    build.ensure([KWOK], Progress(print))
    stages = modules.source(KWOK) / "kustomize/stage"
    command = [
        str(build.program(KWOK, "kwok")),
        *("--kubeconfig", str(cluster.kubeconfig)),
        *("--manage-nodes-with-annotation-selector", "kwok.x-k8s.io/node=fake"),
        *("--node-lease-duration-seconds", "40"),
        *(f"--config={stages / part}" for part in _STAGES),
    ]
    kube = Kube(cluster, "default")
    with (folder / "kwok.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        kube.apply(_node())
        kube.kubectl("wait", f"node/{NODE}", "--for=condition=Ready", "--timeout=60s", timeout=90)
        yield
    finally:
        kube.kubectl("delete", "node", NODE)
        process.terminate()
        process.wait(30)


def _node() -> Object:
    room = {"cpu": "400", "memory": "4Ti", "pods": PODS}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": NODE,
            "annotations": {"kwok.x-k8s.io/node": "fake"},
            "labels": {"type": "kwok", "kubernetes.io/hostname": NODE},
        },
        "spec": {"taints": [_TAINT]},
        "status": {"allocatable": room, "capacity": room},
    }
