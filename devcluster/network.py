"""The network namespace of a cluster, and the mount namespace of each node.

The network has no way out, so nothing inside can reach or disturb the machine's network. A node
sees its own /run, /var/lib, /var/log and /opt, so that kubelet and containerd may use their usual
paths and leave nothing behind: what is mounted inside goes away with the namespace.
"""

import contextlib
import subprocess
from pathlib import Path

from devcluster.build import cache_root
from devcluster.errors import StartError
from devcluster.layout import Layout, Node

BRIDGE = "nodes0"
_OWN_DIRECTORIES = ("/run", "/var/lib", "/var/log", "/opt")
_TIMEOUT_SECONDS = 30


def enter(layout: Layout) -> list[str]:
    """Prefix of a command that shall run inside the cluster's network."""
    return ["nsenter", f"--net={layout.network_namespace}", "--"]


def enter_node(layout: Layout, node: Node) -> list[str]:
    """Prefix of a command that shall run on a node: its network and its files."""
    return [
        "nsenter",
        f"--net={layout.network_namespace}",
        f"--mount={node.mount_namespace}",
        "--",
    ]


def exists(layout: Layout) -> bool:
    """Whether the cluster has its network."""
    return str(layout.network_namespace) in _mount_points()


def node_exists(node: Node) -> bool:
    """Whether the node has its view of the machine."""
    return str(node.mount_namespace) in _mount_points()


def hold(layout: Layout) -> None:
    """Mount namespaces can only be kept as files below a mount that is private."""
    layout.run.mkdir(parents=True, exist_ok=True)
    if str(layout.run) not in _mount_points():
        _run("mount", "--bind", str(layout.run), str(layout.run))
    _run("mount", "--make-private", str(layout.run))


def create(layout: Layout) -> None:
    """Make whatever is missing; what is there already is left alone."""
    if not exists(layout):
        layout.network_namespace.touch()
        _run("unshare", f"--net={layout.network_namespace}", "true")
    _run(*enter(layout), "sh", "-euc", network_script(layout))
    for node in layout.all_nodes():
        if not node_exists(node):
            _create_mounts(layout, node)


def _create_mounts(layout: Layout, node: Node) -> None:
    """The namespace gets its final name only when everything in it is mounted."""
    node.run.mkdir(parents=True, exist_ok=True)
    new = node.mount_namespace.with_suffix(".new")
    if str(new) in _mount_points():
        _run("umount", str(new))
    new.touch()
    argv = ["unshare", f"--mount={new}", "--propagation", "slave", "sh", "-euc"]
    _run(*argv, mount_script(layout, node))
    node.mount_namespace.touch()
    _run("mount", "--bind", str(new), str(node.mount_namespace))
    _run("umount", str(new))


def network_script(layout: Layout) -> str:
    """A bridge that holds the nodes' addresses; every line may run twice."""
    lines = [
        "ip link set lo up",
        f"ip link show {BRIDGE} >/dev/null 2>&1 || ip link add {BRIDGE} type bridge",
        f"ip link set {BRIDGE} up",
    ]
    lines += [f"ip addr replace {node.address}/24 dev {BRIDGE}" for node in layout.all_nodes()]
    lines += [
        f"ip route replace default via {layout.node(1).address} dev {BRIDGE}",
        "echo 1 >/proc/sys/net/ipv4/ip_forward",
    ]
    return "\n".join(lines)


def mount_script(layout: Layout, node: Node) -> str:
    """Give the node its own directories, and in them the few paths that it must still see."""
    keep = (layout.state, layout.run, cache_root())
    lines = [
        "mount --make-rprivate /",
        # Copies of what other clusters mounted would keep their namespaces alive after them.
        f"for other in {layout.run.parent}/*; do",
        f"test $other = {layout.run} || umount --lazy $other 2>/dev/null || true",
        "done",
    ]
    for own in _OWN_DIRECTORIES:
        root = f"{node.state}/root{own}"
        lines.append(f"mkdir -p '{root}'")
        for path in keep:
            if path.is_relative_to(own):
                inner = f"{root}/{path.relative_to(own)}"
                lines += [f"mkdir -p '{inner}'", f"mount --rbind '{path}' '{inner}'"]
        lines.append(f"mount --rbind '{root}' {own}")
    # Only now, so that what pods mount appears once: kubelets share mounts with containers.
    lines.append("mount --make-rshared /")
    return "\n".join(lines)


def remove(layout: Layout) -> None:
    """Drop the namespaces; their links, routes and mounts go with them."""
    for path in reversed(_mounts_below(layout.run)):
        _run("umount", "--lazy", path)


def forget(layout: Layout) -> None:
    """Remove the folder that the clusters of a machine share once the last is gone."""
    with contextlib.suppress(OSError):
        layout.run.parent.rmdir()


def left(layout: Layout) -> list[str]:
    """Mounts that are still there."""
    return _mounts_below(layout.run) + _mounts_below(layout.state)


def _mounts_below(path: Path) -> list[str]:
    return [point for point in _mount_points() if Path(point).is_relative_to(path)]


def _mount_points() -> list[str]:
    """From the kernel's list: os.path.ismount does not see a folder that is mounted on itself."""
    return [line.split(" ")[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]


def _run(*argv: str) -> None:
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, timeout=_TIMEOUT_SECONDS
    )
    if done.returncode != 0:
        raise StartError(f"{' '.join(argv)}: {done.stderr.strip() or done.returncode}")
