"""A cluster of kind, where a Docker engine answers: kind does the work, this names it and tells."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from devcluster import build, privileges, record
from devcluster.cluster import Cluster, Part
from devcluster.errors import ClusterError, StartError
from devcluster.layout import state_of
from devcluster.progress import Progress, Say, silent
from devcluster.versions import HELM, KIND, KUBERNETES

_CREATE_SECONDS = 600
_CALL_SECONDS = 120
_DOCKER_SECONDS = 5


@dataclass(frozen=True)
class KindCluster(Cluster):
    """A cluster whose nodes are containers of a Docker engine."""

    @property
    def bin(self) -> Path:
        return state_of(self.name) / "bin"

    def load_image(self, archive: Path) -> None:
        _kind(load_argv(self.name, archive), _CALL_SECONDS)

    def status(self) -> list[Part]:
        done = _docker("ps", "--format={{json .}}", f"--filter=label={_LABEL}={self.name}")
        rows = [json.loads(line) for line in done.splitlines()]
        return [Part(row["Names"], row["State"], row["Status"]) for row in rows]

    def logs(self, component: str) -> Path | None:
        folder = state_of(self.name) / "logs"
        _kind(["export", "logs", str(folder), f"--name={self.name}"], _CALL_SECONDS)
        found = sorted(folder.rglob(f"{component}*.log"))
        if not found:
            raise ClusterError(f"no component {component!r}: see the folders in {folder}")
        return found[0]

    def down(self, say: Say = silent) -> None:
        with Progress(say).step(f"remove kind cluster {self.name}"):
            _kind(["delete", "cluster", f"--name={self.name}"], _CALL_SECONDS)
            shutil.rmtree(state_of(self.name), ignore_errors=True)
            record.forget_locks(self.name)


_LABEL = "io.x-k8s.kind.cluster"


def unusable() -> str | None:
    """Why kind cannot be used here, in a few words; None where it can."""
    if shutil.which("docker") is None:
        return "there is no Docker"
    try:
        _docker("info", "--format={{.ServerVersion}}")
    except (ClusterError, subprocess.TimeoutExpired):
        return "no Docker engine answers"
    if privileges.is_root() and not privileges.has_capability(privileges.CAP_SYS_RESOURCE):
        return "a Docker engine answers, but privileged containers need CAP_SYS_RESOURCE"
    return None


def up(name: str, nodes: int, progress: Progress) -> KindCluster:
    """Create the cluster unless there is one of that name."""
    build.ensure((KIND, HELM, KUBERNETES), progress)
    cluster = KindCluster(name, state_of(name) / "kubeconfig", "kind")
    cluster.bin.mkdir(parents=True, exist_ok=True)
    for group, program in ((KIND, "kind"), (HELM, "helm"), (KUBERNETES, "kubectl")):
        link = cluster.bin / program
        link.unlink(missing_ok=True)
        link.symlink_to(build.program(group, program))
    if name in _kind(["get", "clusters"], _CALL_SECONDS).split():
        progress.note("it runs already")
        return cluster
    config = state_of(name) / "kind.json"
    config.write_text(json.dumps(configuration(nodes)))
    with progress.step("kind cluster", "pulls its node image the first time"):
        _kind(create_argv(name, cluster.kubeconfig, config), _CREATE_SECONDS)
    return cluster


def find(name: str) -> KindCluster | None:
    kubeconfig = state_of(name) / "kubeconfig"
    return KindCluster(name, kubeconfig, "kind") if kubeconfig.exists() else None


def configuration(nodes: int) -> dict[str, object]:
    roles = ["control-plane", *["worker"] * (nodes - 1)]
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "nodes": [{"role": role} for role in roles],
    }


def create_argv(name: str, kubeconfig: Path, config: Path) -> list[str]:
    return [
        "create",
        "cluster",
        f"--name={name}",
        f"--kubeconfig={kubeconfig}",
        f"--config={config}",
        "--wait=120s",
    ]


def load_argv(name: str, archive: Path) -> list[str]:
    return ["load", "image-archive", str(archive), f"--name={name}"]


def _kind(arguments: list[str], seconds: float) -> str:
    return _call([str(build.program(KIND, "kind")), *arguments], seconds)


def _docker(*arguments: str) -> str:
    return _call(["docker", *arguments], _DOCKER_SECONDS)


def _call(argv: list[str], seconds: float) -> str:
    done = subprocess.run(
        argv, env=os.environ, capture_output=True, text=True, check=False, timeout=seconds
    )
    if done.returncode != 0:
        raise StartError(f"{' '.join(argv)}: {done.stderr.strip()[-2000:]}")
    return done.stdout
