"""The network namespace of a cluster, and the mount namespace of each node.

The network has no way out, so nothing inside can reach or disturb the machine's network. A node
sees its own /run, /var/lib, /var/log and /opt, so that kubelet and containerd may use their usual
paths and leave nothing behind: what is mounted inside goes away with the namespace.
"""

import contextlib
import os
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
    return os.path.ismount(layout.network_namespace)


def create(layout: Layout) -> None:
    """Make whatever is missing; what is there already is left alone."""
    _private_mount(layout.run)
    if not exists(layout):
        layout.network_namespace.touch()
        _run("unshare", f"--net={layout.network_namespace}", "true")
    _shell([*enter(layout), "sh", "-euc"], network_script(layout))
    for node in layout.all_nodes():
        if not os.path.ismount(node.mount_namespace):
            node.run.mkdir(parents=True, exist_ok=True)
            node.mount_namespace.touch()
            argv = ["unshare", f"--mount={node.mount_namespace}", "--propagation", "slave"]
            _shell([*argv, "sh", "-euc"], mount_script(layout, node))


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
    lines = ["mount --make-rshared /"]
    for own in _OWN_DIRECTORIES:
        root = f"{node.state}/root{own}"
        lines.append(f"mkdir -p '{root}'")
        for path in keep:
            if path.is_relative_to(own):
                inner = f"{root}/{path.relative_to(own)}"
                lines += [f"mkdir -p '{inner}'", f"mount --rbind '{path}' '{inner}'"]
        lines.append(f"mount --rbind '{root}' {own}")
    return "\n".join(lines)


def remove(layout: Layout) -> None:
    """Drop the namespaces; their links, routes and mounts go with them."""
    inside = _mounts_below(layout.run)
    for path in sorted(inside, key=len, reverse=True):
        _run("umount", "--lazy", path)


def forget(layout: Layout) -> None:
    """Remove the folder that the clusters of a machine share once the last is gone."""
    with contextlib.suppress(OSError):
        layout.run.parent.rmdir()


def left(layout: Layout) -> list[str]:
    """Mounts that are still there."""
    return _mounts_below(layout.run) + _mounts_below(layout.state)


def _mounts_below(path: Path) -> list[str]:
    points = [line.split(" ")[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [point for point in points if Path(point).is_relative_to(path)]


def _private_mount(path: Path) -> None:
    """Mount namespaces can only be kept as files below a mount that is private."""
    path.mkdir(parents=True, exist_ok=True)
    if not os.path.ismount(path):
        _run("mount", "--bind", str(path), str(path))
    _run("mount", "--make-private", str(path))


def _shell(prefix: list[str], script: str) -> None:
    _run(*prefix, script)


def _run(*argv: str) -> None:
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, timeout=_TIMEOUT_SECONDS
    )
    if done.returncode != 0:
        raise StartError(f"{' '.join(argv)}: {done.stderr.strip() or done.returncode}")
