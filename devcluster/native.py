"""The native cluster: Kubernetes' own programs, started here, each step safe to repeat.

`up` makes true whatever is not true yet, so it starts a cluster, repairs one whose start was
killed or of which a program died, adds a node, and says quickly that nothing is to be done.
"""

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from devcluster import (
    addons,
    build,
    cgroups,
    controlplane,
    files,
    network,
    node,
    pki,
    ports,
    processes,
    record,
    systemimages,
)
from devcluster.cluster import Cluster, Part
from devcluster.errors import ClusterError, StartError
from devcluster.kubeapi import Api
from devcluster.layout import MAX_NODES, Layout, Node, state_of
from devcluster.processes import Service
from devcluster.progress import Progress, Say, silent
from devcluster.versions import CONTAINERD, NATIVE

_READY_SECONDS = 90.0
_IMPORT_SECONDS = 300


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
            for done in [pool.submit(_import, each, archive) for each in self.layout.all_nodes()]:
                done.result()

    def status(self) -> list[Part]:
        api = _api(self.layout)
        expected = [service.name for service in _services(self.layout, api)]
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
        if _healthy(layout):
            progress.note("it runs already")
            return _cluster(layout)
        build.ensure(NATIVE, progress)
        images = systemimages.ensure(progress)
        _start(layout, images, progress)
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
        record.forget_locks(name)


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


def _start(layout: Layout, images: Path, progress: Progress) -> None:
    api = _api(layout)
    with progress.step("network, control groups and certificates"):
        _stop_homeless(layout)
        network.hold(layout)
        files.write(layout.owner, str(layout.state))
        _link_programs(layout)
        pki.create(layout)
        controlplane.write_files(layout)
        cgroups.create(layout.cgroup, [each.name for each in layout.all_nodes()])
        network.create(layout)
        for each in layout.all_nodes():
            node.write_files(layout, each)
    with ThreadPoolExecutor() as pool:
        with progress.step("control plane"):
            processes.start(layout, controlplane.etcd(layout))
            processes.start(layout, controlplane.apiserver(layout, api))
            _start_forward(layout)
            imports = [pool.submit(_bring_up, layout, each, images) for each in layout.all_nodes()]
            processes.wait_ready(layout, controlplane.apiserver(layout, api), _READY_SECONDS)
            others = [
                controlplane.controller_manager(layout),
                controlplane.scheduler(layout),
                controlplane.proxy(layout),
            ]
            for service in others:
                processes.start(layout, service)
            addons.apply(layout, api)
        with progress.step("container runtime and system images"):
            for done in imports:
                done.result()
        kubelets = [node.kubelet(layout, each, api) for each in layout.all_nodes()]
        with progress.step("nodes" if len(kubelets) > 1 else "node"):
            for service in kubelets:
                processes.start(layout, service)
            for service in [*others, *kubelets]:
                processes.wait_ready(layout, service, _READY_SECONDS)
    with progress.step("DNS and volumes"):
        processes.wait(
            lambda: addons.are_ready(api),
            _READY_SECONDS,
            lambda: (
                "the deployments coredns and local-path-provisioner in kube-system are not "
                "available: look with `fabula dev exec -- kubectl -n kube-system describe pods`"
            ),
        )


def _stop_homeless(layout: Layout) -> None:
    """What outlived its namespaces would hold ports and files that the new ones need."""
    if not network.exists(layout):
        cgroups.kill(layout.cgroup)
    for each in layout.all_nodes():
        if not network.node_exists(each):
            processes.stop(layout, f"{each.name}-kubelet")
            processes.stop(layout, f"{each.name}-containerd")
            cgroups.kill(f"{layout.cgroup}/{each.name}")


def _bring_up(layout: Layout, each: Node, images: Path) -> None:
    service = node.containerd(layout, each)
    processes.start(layout, service)
    processes.wait_ready(layout, service, _READY_SECONDS)
    _import(each, images)


def _import(each: Node, archive: Path) -> None:
    argv = node.image_import(each, build.program(CONTAINERD, "ctr"), archive)
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, timeout=_IMPORT_SECONDS
    )
    if done.returncode != 0:
        raise StartError(f"{archive} could not be loaded into {each.name}: {done.stderr.strip()}")


def _start_forward(layout: Layout) -> None:
    """The only way in from the machine's own network."""
    if processes.pid_of(layout, "forward") is not None:
        return
    with ports.listen(layout.port) as sock:
        processes.start(layout, _forward(layout, sock.fileno()))


def _forward(layout: Layout, descriptor: int) -> Service:
    argv = ["forward", str(descriptor), f"127.0.0.1:{layout.port}"]
    enter = network.enter(layout)
    return Service("forward", argv, lambda: True, enter, descriptors=(descriptor,))


def _services(layout: Layout, api: Api) -> list[Service]:
    """Every program that must run."""
    services = [
        controlplane.etcd(layout),
        controlplane.apiserver(layout, api),
        controlplane.controller_manager(layout),
        controlplane.scheduler(layout),
        controlplane.proxy(layout),
        _forward(layout, 0),
    ]
    for each in layout.all_nodes():
        services += [node.containerd(layout, each), node.kubelet(layout, each, api)]
    return services


def _healthy(layout: Layout) -> bool:
    """Whether nothing is to be done: every program runs, every node and addon is ready."""
    homes = [network.exists(layout), *map(network.node_exists, layout.all_nodes())]
    if not layout.kubeconfig.exists() or not all(homes):
        return False
    api = _api(layout)
    alive = all(processes.pid_of(layout, each.name) for each in _services(layout, api))
    return (
        alive
        and api.ready()
        and all(node.is_ready(api, each) for each in layout.all_nodes())
        and addons.are_ready(api)
    )


def _link_programs(layout: Layout) -> None:
    layout.bin.mkdir(parents=True, exist_ok=True)
    for group in NATIVE:
        for name in group.programs:
            link = layout.bin / name
            link.unlink(missing_ok=True)
            link.symlink_to(build.program(group, name))


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


def _api(layout: Layout) -> Api:
    return Api(layout.port, layout.pki)
