"""What a caller holds in hand: a cluster, whichever way it came to be."""

import os
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from devcluster.progress import Say, silent

Kind = Literal["native", "kind", "existing"]


@dataclass(frozen=True)
class Part:
    """One program of a cluster."""

    name: str
    state: str
    detail: str = ""


@dataclass(frozen=True)
class Cluster(ABC):
    """A Kubernetes cluster to work with.

    `argv` and `env` together run any command against it, from anywhere on this machine:
    `subprocess.run(cluster.argv("kubectl", "get", "pods"), env=cluster.env)`.
    """

    name: str
    kubeconfig: Path
    kind: Kind
    audit_log: Path | None = None
    """JSON lines, one per request, where the API server writes an audit log that can be read."""

    def argv(self, *command: str) -> list[str]:
        """The command, made to run inside the cluster's network where it has one of its own."""
        return list(command)

    @property
    def bin(self) -> Path | None:
        """A folder with kubectl and helm, None where those of the machine are used."""
        return None

    @property
    def env(self) -> dict[str, str]:
        """This process's environment with KUBECONFIG, and PATH beginning with the tools."""
        path = os.environ.get("PATH", os.defpath)
        return os.environ | {
            "KUBECONFIG": str(self.kubeconfig),
            "PATH": f"{self.bin}:{path}" if self.bin else path,
        }

    def exec(self, command: Sequence[str]) -> int:
        """Run a command inside with this terminal; returns its exit status."""
        return subprocess.run(self.argv(*command), env=self.env, check=False).returncode

    @abstractmethod
    def load_image(self, archive: Path) -> None:
        """Load an OCI archive into every node."""

    @abstractmethod
    def status(self) -> list[Part]:
        """What runs and what does not."""

    @abstractmethod
    def logs(self, component: str) -> Path | None:
        """The log file of a component; None where it is not a file on this machine."""

    @abstractmethod
    def down(self, say: Say = silent) -> None:
        """Remove the cluster and everything in it."""
