"""Where everything of a named cluster lies and which addresses it uses; touches nothing."""

import os
import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from devcluster.errors import ClusterError

MAX_NODES = 9
MAX_SLOTS = 100
FIRST_PORT = 16443
CLUSTER_DOMAIN = "cluster.local"
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,18}[a-z0-9])?")


def check_name(name: str) -> str:
    """A name that fits into a socket path, a cgroup and a node label."""
    if not _NAME.fullmatch(name):
        raise ClusterError(
            f"cluster name {name!r}: use at most 20 lower-case letters, digits and dashes, "
            "beginning with a letter, for example --name fabula"
        )
    return name


def clusters_root() -> Path:
    """The folder with one folder per cluster: XDG_STATE_HOME, else ~/.local/state."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "fabula" / "clusters"


def state_of(name: str) -> Path:
    return clusters_root() / check_name(name)


@dataclass(frozen=True)
class Node:
    """One node: a kubelet and a containerd in a mount namespace of their own."""

    name: str
    number: int
    address: IPv4Address
    pods: IPv4Network
    state: Path
    run: Path

    @property
    def mount_namespace(self) -> Path:
        return self.run.with_suffix(".mnt")

    @property
    def containerd_socket(self) -> Path:
        return self.run / "containerd.sock"


@dataclass(frozen=True)
class Layout:
    """One cluster. `slot` numbers the clusters of a machine: ports and subnets follow from it."""

    name: str
    slot: int
    nodes: int = 1
    audit: bool = True

    @property
    def state(self) -> Path:
        return state_of(self.name)

    @property
    def run(self) -> Path:
        """Sockets, process records and namespaces: what a reboot clears."""
        return Path("/run/fabula") / self.name

    @property
    def owner(self) -> Path:
        """Holds the path of the state that belongs to what runs."""
        return self.run / "owner"

    @property
    def kubeconfig(self) -> Path:
        return self.state / "kubeconfig"

    @property
    def audit_log(self) -> Path:
        return self.state / "audit" / "audit.log"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def bin(self) -> Path:
        """Links to every program of this cluster, to be put first in PATH."""
        return self.state / "bin"

    @property
    def pki(self) -> Path:
        return self.state / "pki"

    @property
    def network_namespace(self) -> Path:
        return self.run / "net"

    @property
    def cgroup(self) -> str:
        """Every process of this cluster is below this group, and nothing else is."""
        return f"fabula/{self.name}"

    @property
    def port(self) -> int:
        """The API server's port, the same on 127.0.0.1 of the machine and inside."""
        return FIRST_PORT + self.slot

    @property
    def network(self) -> IPv4Network:
        return IPv4Network(f"10.{128 + self.slot}.0.0/16")

    @property
    def services(self) -> IPv4Network:
        return list(self.network.subnets(prefixlen_diff=1))[1]

    @property
    def pods(self) -> IPv4Network:
        return next(self.network.subnets(prefixlen_diff=1))

    @property
    def kubernetes_service(self) -> IPv4Address:
        return self.services[1]

    @property
    def dns_service(self) -> IPv4Address:
        return self.services[10]

    def node(self, number: int) -> Node:
        """Nodes count from 1; their addresses share the first /24, each has a /24 for its pods."""
        subnets = list(self.network.subnets(new_prefix=24))
        return Node(
            name=f"node{number}",
            number=number,
            address=subnets[0][number],
            pods=subnets[number],
            state=self.state / f"node{number}",
            run=self.run / f"node{number}",
        )

    def all_nodes(self) -> list[Node]:
        return [self.node(number) for number in range(1, self.nodes + 1)]
