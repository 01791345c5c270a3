"""The steps that make a native cluster run, each safe to repeat: what is true already stays."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from devcluster import (
    addons,
    build,
    cgroups,
    controlplane,
    files,
    limits,
    network,
    node,
    pki,
    ports,
    processes,
)
from devcluster.archive import named
from devcluster.errors import StartError, UnreachableError
from devcluster.kubeapi import Api
from devcluster.layout import Layout, Node
from devcluster.processes import Service
from devcluster.progress import Progress
from devcluster.versions import CONTAINERD, NATIVE

_READY_SECONDS = 90.0
_IMPORT_SECONDS = 300


def api_of(layout: Layout) -> Api:
    return Api(layout.port, layout.pki)


def run(layout: Layout, images: Path, progress: Progress) -> None:
    """Start what does not run, as much of it at once as depends on nothing else."""
    api = api_of(layout)
    limits.widen(progress)
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
            processes.wait(
                lambda: addons.apply(layout, api),
                _READY_SECONDS,
                lambda: "the API server became ready and then stopped answering",
            )
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


def is_well(layout: Layout) -> bool:
    """Whether nothing is to be done: every program runs, every node and addon is ready."""
    homes = [network.exists(layout), *map(network.node_exists, layout.all_nodes())]
    if not layout.kubeconfig.exists() or not all(homes):
        return False
    api = api_of(layout)
    if not all(processes.pid_of(layout, each.name) for each in services(layout, api)):
        return False
    try:
        nodes = all(node.is_ready(api, each) for each in layout.all_nodes())
        return nodes and addons.are_ready(api)
    except UnreachableError:
        return False


def services(layout: Layout, api: Api) -> list[Service]:
    """Every program that must run."""
    found = [
        controlplane.etcd(layout),
        controlplane.apiserver(layout, api),
        controlplane.controller_manager(layout),
        controlplane.scheduler(layout),
        controlplane.proxy(layout),
        _forward(layout, 0),
    ]
    for each in layout.all_nodes():
        found += [node.containerd(layout, each), node.kubelet(layout, each, api)]
    return found


def load_image(each: Node, archive: Path) -> None:
    """Load an archive into a node, unless the node has every image of it already."""
    wanted = named(archive)
    if wanted and wanted.items() <= _images_of(each).items():
        return
    _ctr(each, "import", "--local", str(archive), failing=f"{archive} could not be loaded into")


def _images_of(each: Node) -> dict[str, str]:
    """Digests of the node's images, by name."""
    lines = _ctr(each, "list", failing="there is no list of the images of").splitlines()[1:]
    return {name: digest for name, _, digest, *_ in (line.split() for line in lines)}


def _ctr(each: Node, *command: str, failing: str) -> str:
    argv = node.images(each, build.program(CONTAINERD, "ctr"), *command)
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, timeout=_IMPORT_SECONDS
    )
    if done.returncode != 0:
        raise StartError(f"{failing} {each.name}: {done.stderr.strip()}")
    return done.stdout


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
    load_image(each, images)


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


def _link_programs(layout: Layout) -> None:
    layout.bin.mkdir(parents=True, exist_ok=True)
    for group in NATIVE:
        for name in group.programs:
            link = layout.bin / name
            link.unlink(missing_ok=True)
            link.symlink_to(build.program(group, name))
