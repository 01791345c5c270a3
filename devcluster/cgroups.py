"""The control groups of a cluster: they tell its processes for certain, recorded or not.

Works with version 1, version 2 and the mix of both. A cluster's own programs are in `system` of one
hierarchy; the pods of a node are below `nodeN` of every hierarchy, where its kubelet puts them.
"""

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from devcluster.errors import ClusterError

_KILL_SECONDS = 20.0


@dataclass(frozen=True)
class Hierarchy:
    """One mounted cgroup hierarchy."""

    root: Path
    unified: bool


def hierarchies(mountinfo: str | None = None) -> list[Hierarchy]:
    """Every cgroup mount, the version 2 one first where there is one."""
    text = Path("/proc/self/mountinfo").read_text() if mountinfo is None else mountinfo
    found = []
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        kind = right.split(" ", 1)[0]
        if kind in {"cgroup", "cgroup2"}:
            found.append(Hierarchy(Path(left.split(" ")[4]), kind == "cgroup2"))
    return sorted(set(found), key=lambda each: (not each.unified, str(each.root)))


def create(group: str, nodes: list[str]) -> None:
    """Make the groups of a cluster in every hierarchy, ready for processes and for kubelets."""
    every = hierarchies()
    if not every:
        raise ClusterError("no cgroup hierarchy is mounted: mount cgroup2 on /sys/fs/cgroup")
    for hierarchy in every:
        paths = [f"{group}/{node}" for node in nodes]
        if hierarchy == every[0]:
            paths.append(f"{group}/system")
        for path in paths:
            _make(hierarchy, path)


def system_procs(group: str) -> Path:
    """The file that takes the ids of the cluster's own programs."""
    return hierarchies()[0].root / group / "system" / "cgroup.procs"


def processes(group: str) -> set[int]:
    """Everything that runs in the group, in any hierarchy, at any depth."""
    return {
        int(line)
        for hierarchy in hierarchies()
        for path in (hierarchy.root / group).rglob("cgroup.procs")
        for line in _read(path).split()
    }


def kill(group: str) -> None:
    """Kill all of it, again and again until nothing was left to fork anew."""
    deadline = time.monotonic() + _KILL_SECONDS
    while pids := processes(group):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise ClusterError(f"processes of cgroup {group} survive SIGKILL: {sorted(pids)}")
        time.sleep(0.02)


def remove(group: str) -> None:
    """Remove the emptied groups, and the parent that all clusters share once it is empty."""
    for hierarchy in hierarchies():
        top = hierarchy.root / group
        depth_first = sorted(top.rglob("*/"), key=lambda path: -len(path.parts))
        for path in [*(each for each in depth_first if each.is_dir()), top]:
            _remove_directory(path)
        with contextlib.suppress(OSError):
            top.parent.rmdir()


def left(group: str) -> list[Path]:
    return [h.root / group for h in hierarchies() if (h.root / group).exists()]


def _make(hierarchy: Hierarchy, path: str) -> None:
    """Level by level: version 1 cpusets start empty, version 2 hands nothing down unasked."""
    current = hierarchy.root
    for part in path.split("/"):
        if hierarchy.unified:
            for controller in _read(current / "cgroup.controllers").split():
                with contextlib.suppress(OSError):
                    (current / "cgroup.subtree_control").write_text(f"+{controller}")
        above, current = current, current / part
        current.mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):
            own = current / name
            if not hierarchy.unified and own.exists() and not own.read_text().strip():
                own.write_text((above / name).read_text())


def _remove_directory(path: Path) -> None:
    """A group stays busy for a moment after its last process died."""
    deadline = time.monotonic() + 5
    while True:
        try:
            path.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # the group went away while it was looked at
        return ""
