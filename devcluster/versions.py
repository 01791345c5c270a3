"""What the native cluster is made of: one Go module per group of programs, at a fixed version.

Groups are separate modules because their dependencies clash. `devcluster.modules` turns this table
into the go.mod and go.sum files beside it, `devcluster.build` turns those into programs.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Group:
    """Programs that are built together from one Go module."""

    name: str
    version: str
    module: str = ""
    """The module that is required; empty where the group is only a main of our own."""
    programs: dict[str, str] = field(default_factory=dict)
    """Program name -> Go package, `.` for the main.go in the group's folder."""
    cgo: bool = False
    tags: str = ""
    ldflags: str = "-s -w"
    staging: str = ""
    """Version for the modules that the required module replaces with folders of its own tree."""
    minutes: float = 0.1
    """A first build on two cores, said to the person who waits."""

    def packages(self) -> dict[str, str]:
        return {name: path or self.module for name, path in self.programs.items()}


def _kubernetes(version: str) -> Group:
    major, minor, patch = version.removeprefix("v").split(".")
    stamp = "-X k8s.io/component-base/version.git"
    return Group(
        name="kubernetes",
        version=version,
        module="k8s.io/kubernetes",
        programs={
            program: f"k8s.io/kubernetes/cmd/{program}"
            for program in (
                "kube-apiserver",
                "kube-controller-manager",
                "kube-proxy",
                "kube-scheduler",
                "kubectl",
                "kubelet",
            )
        },
        ldflags=f"-s -w {stamp}Version={version} {stamp}Major={major} {stamp}Minor={minor}",
        staging=f"v0.{minor}.{patch}",
        minutes=6.5,
    )


_CNI = "github.com/containernetworking/plugins/plugins"
_CONTAINERD = "github.com/containerd/containerd/v2"

KUBERNETES = _kubernetes("v1.37.2")
ETCD = Group(
    name="etcd",
    version="v3.7.3",
    module="go.etcd.io/etcd/server/v3",
    programs={"etcd": "."},
    minutes=0.3,
)
CONTAINERD = Group(
    name="containerd",
    version="v2.4.2",
    module=_CONTAINERD,
    programs={
        program: f"{_CONTAINERD}/cmd/{program}"
        for program in ("containerd", "containerd-shim-runc-v2", "ctr")
    },
    ldflags=f"-s -w -X {_CONTAINERD}/version.Version=v2.4.2",
    minutes=0.9,
)
RUNC = Group(
    name="runc",
    version="v1.5.1",
    module="github.com/opencontainers/runc",
    programs={"runc": ""},
    cgo=True,
    tags="seccomp",
    ldflags="-s -w -X main.version=1.5.1",
    minutes=0.2,
)
CNI = Group(
    name="cni",
    version="v1.9.1",
    module="github.com/containernetworking/plugins",
    programs={
        "ptp": f"{_CNI}/main/ptp",
        "loopback": f"{_CNI}/main/loopback",
        "host-local": f"{_CNI}/ipam/host-local",
        "portmap": f"{_CNI}/meta/portmap",
    },
)
COREDNS = Group(
    name="coredns",
    version="v1.14.7",
    module="github.com/coredns/coredns",
    programs={"coredns": ""},
    minutes=1.8,
)
LOCAL_PATH = Group(
    name="local-path-provisioner",
    version="v0.0.30",
    module="github.com/rancher/local-path-provisioner",
    programs={"local-path-provisioner": ""},
    ldflags="-s -w -X main.VERSION=v0.0.30",
    minutes=0.9,
)
HELM = Group(
    name="helm",
    version="v3.22.0",
    module="helm.sh/helm/v3",
    programs={"helm": "helm.sh/helm/v3/cmd/helm"},
    ldflags="-s -w -X helm.sh/helm/v3/internal/version.version=v3.22.0",
    minutes=1.0,
)
FORWARD = Group(name="forward", version="v1", programs={"forward": "."})
KIND = Group(
    name="kind",
    version="v0.33.0",
    module="sigs.k8s.io/kind",
    programs={"kind": ""},
)
ARGO_ROLLOUTS = Group(
    name="argo-rollouts",
    version="v1.10.1",
    module="github.com/argoproj/argo-rollouts",
    programs={
        "rollouts-controller": "github.com/argoproj/argo-rollouts/cmd/rollouts-controller",
    },
    minutes=4.6,
)
KWOK = Group(
    name="kwok",
    version="v0.8.0",
    module="sigs.k8s.io/kwok",
    programs={"kwok": "sigs.k8s.io/kwok/cmd/kwok"},
    minutes=0.9,
)

NATIVE = (KUBERNETES, ETCD, CONTAINERD, RUNC, CNI, COREDNS, LOCAL_PATH, HELM, FORWARD)
#: For measurements: what Fabula is held against, and nodes that only pretend.
BENCH = (ARGO_ROLLOUTS, KWOK)
ALL = (*NATIVE, KIND, *BENCH)

PAUSE_IMAGE = "fabula.dev/pause:v1"
SHELL_IMAGE = "fabula.dev/busybox:v1"
COREDNS_IMAGE = f"fabula.dev/coredns:{COREDNS.version}"
LOCAL_PATH_IMAGE = f"fabula.dev/local-path-provisioner:{LOCAL_PATH.version}"
