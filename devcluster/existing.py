"""A cluster that somebody else made: used as it is, never changed as a cluster."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from devcluster.cluster import Cluster, Part
from devcluster.errors import ClusterError
from devcluster.progress import Say, silent


@dataclass(frozen=True)
class ExistingCluster(Cluster):
    """The cluster that KUBECONFIG names."""

    def load_image(self, archive: Path) -> None:
        raise ClusterError(
            f"{archive} cannot be loaded into a cluster that KUBECONFIG names: push the image to a "
            "registry that its nodes can pull from, or unset KUBECONFIG to get a local cluster"
        )

    def status(self) -> list[Part]:
        return [Part("kubeconfig", "given", str(self.kubeconfig))]

    def logs(self, component: str) -> Path | None:
        raise ClusterError(
            f"the log of {component!r} belongs to whoever runs the cluster of {self.kubeconfig}"
        )

    def down(self, say: Say = silent) -> None:
        say(f"  · {self.kubeconfig} names a cluster that was not made here: it is left alone")


def use(name: str, kubeconfig: Path) -> ExistingCluster:
    if not kubeconfig.is_file():
        raise ClusterError(f"KUBECONFIG={kubeconfig}: no such file; unset it to get a cluster here")
    for tool in ("kubectl", "helm"):
        if shutil.which(tool) is None:
            raise ClusterError(f"{tool} is not in PATH: install it to work with {kubeconfig}")
    return ExistingCluster(name, kubeconfig.absolute(), "existing")
