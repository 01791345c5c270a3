"""The native cluster: Kubernetes' own programs, started here, each step safe to repeat.

`up` makes true whatever is not true yet, so it starts a cluster, repairs one whose start was
killed or of which a program died, adds a node, and says quickly that nothing is to be done.
"""

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from devcluster import (
    addons,
    build,
    cgroups,
    network,
    node,
    processes,
    record,
    start,
    systemimages,
)
from devcluster.cluster import Cluster, Part
from devcluster.errors import ClusterError
from devcluster.layout import MAX_NODES, Layout, state_of
from devcluster.progress import Progress, Say, silent
from devcluster.versions import NATIVE


@dataclass(frozen=True)
class NativeCluster(Cluster):
    """A cluster in namespaces of this machine."""

    layout: Layout = field(kw_only=True)

    @property
    def bin(self) -> Path:
        return self.layout.bin

    def argv(self, *command: str) -> list[str]:
        return [*network.enter(self.layout), *command]

    def load_image(self, archive: Path) -> None:
        with ThreadPoolExecutor() as pool:
            for done in [
                pool.submit(start.load_image, each, archive) for each in self.layout.all_nodes()
            ]:
                done.result()

    def status(self) -> list[Part]:
        api = start.api_of(self.layout)
        expected = [service.name for service in start.services(self.layout, api)]
        running = processes.recorded(self.layout)
        parts = [
            Part(name, "running" if running.get(name) else "stopped", f"pid {running.get(name)}")
            for name in expected
        ]
        serves = bool(running.get("forward")) and api.ready()
        for each in self.layout.all_nodes():
            ready = serves and node.is_ready(api, each)
            parts.append(Part(each.name, "ready" if ready else "not ready", str(each.address)))
        for name in addons.DEPLOYMENTS:
            available = serves and addons.is_available(api, name)
            parts.append(Part(name, "ready" if available else "not ready", "deployment"))
        return parts

    def logs(self, component: str) -> Path:
        path = processes.log_path(self.layout, component)
        if not path.exists():
            known = ", ".join(sorted(each.stem for each in self.layout.logs.glob("*.log")))
            raise ClusterError(f"no component {component!r} here; there are: {known}")
        return path

    def down(self, say: Say = silent) -> None:
        down(self.name, Progress(say))


def up(name: str, nodes: int, progress: Progress, *, audit: bool = True) -> NativeCluster:
    """Make the cluster run with at least so many nodes."""
    if not 1 <= nodes <= MAX_NODES:
        raise ClusterError(f"--nodes {nodes}: a cluster has 1 to {MAX_NODES} nodes")
    with record.exclusive(name):
        layout = _layout(name, nodes, progress, audit=audit)
        if start.is_well(layout):
            progress.note("it runs already")
            return _cluster(layout)
        build.ensure(NATIVE, progress)
        images = systemimages.ensure(progress)
        start.run(layout, images, progress)
        return _cluster(layout)


def find(name: str) -> NativeCluster | None:
    found = record.load(name)
    return None if found is None else _cluster(found.layout(name))


def down(name: str, progress: Progress) -> None:
    """Kill what is in the cluster's control groups and remove every trace of it."""
    with record.exclusive(name):
        found = record.load(name)
        if found is None:
            _refuse_foreign(name)
        layout = found.layout(name) if found else Layout(name, 0)
        _remove(layout, progress)


def _layout(name: str, nodes: int, progress: Progress, *, audit: bool) -> Layout:
    found = record.load(name)
    if found is not None and found.boot != record.boot_id():
        progress.note("the machine was restarted since: beginning afresh")
        _remove(found.layout(name), progress)
        found = None
    if found is None:
        # A start may have been killed before its record was written, or its removal after.
        _refuse_foreign(name)
        _remove(Layout(name, 0), progress)
        found = record.create(name, nodes, audit=audit)
    if nodes > found.nodes:
        found = replace(found, nodes=nodes)
        record.save(name, found)
    return found.layout(name)


def _refuse_foreign(name: str) -> None:
    """Names are the machine's, records are the user's: do not take down what another one runs."""
    owner = Layout(name, 0).owner
    if owner.exists() and Path(owner.read_text()) != state_of(name):
        raise ClusterError(
            f"a cluster {name!r} with its files in {owner.read_text()} is on this machine: use "
            "another --name, or set XDG_STATE_HOME as it was when that one was started"
        )


def _remove(layout: Layout, progress: Progress) -> None:
    state = state_of(layout.name)
    traces = state.exists() or layout.run.exists() or cgroups.left(layout.cgroup)
    if not traces:
        return
    with progress.step(f"remove cluster {layout.name}"):
        cgroups.kill(layout.cgroup)
        network.remove(layout)
        cgroups.remove(layout.cgroup)
        shutil.rmtree(layout.run, ignore_errors=True)
        shutil.rmtree(state, ignore_errors=True)
        network.forget(layout)
        still = [*network.left(layout), *map(str, cgroups.left(layout.cgroup))]
        still += [str(path) for path in (state, layout.run) if path.exists()]
    if still:
        raise ClusterError(f"cluster {layout.name} left something behind: {', '.join(still)}")


def _cluster(layout: Layout) -> NativeCluster:
    return NativeCluster(
        name=layout.name,
        kubeconfig=layout.kubeconfig,
        kind="native",
        audit_log=layout.audit_log if layout.audit else None,
        layout=layout,
    )
