"""Says what is missing on this machine before anything starts, and how to install it."""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from devcluster import build, privileges
from devcluster.errors import PreflightError
from devcluster.layout import clusters_root
from devcluster.progress import Progress
from devcluster.versions import NATIVE

GO_MINIMUM = (1, 26)
BUILD_GIB = 12.0
"""Free disk for a first build: Go's module and build caches, and the programs themselves."""
RUN_GIB = 3.0
_INSTALL_SECONDS = 900


@dataclass(frozen=True)
class Package:
    """A Debian package and how its presence shows."""

    name: str
    present: Callable[[], bool]
    purpose: str
    only_to_build: bool = False


def _command(name: str) -> Callable[[], bool]:
    return lambda: shutil.which(name, path=_SYSTEM_PATH) is not None


def _file(*paths: str) -> Callable[[], bool]:
    def present() -> bool:
        return any(list(Path("/usr").glob(path)) for path in paths)

    return present


_SYSTEM_PATH = os.pathsep.join(
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
)
PACKAGES = (
    Package("iproute2", _command("ip"), "links and addresses of the cluster's network"),
    Package("util-linux", _command("nsenter"), "entering the cluster's namespaces"),
    Package("mount", _command("mount"), "volumes of pods"),
    Package("nftables", _command("nft"), "the rules of kube-proxy"),
    Package("busybox-static", _command("busybox"), "the shell that prepares volumes"),
    Package("gcc", _command("gcc"), "building runc and the pause program", True),
    Package("libc6-dev", _file("lib/*/libc.a", "lib/libc.a"), "building the pause program", True),
    Package("pkg-config", _command("pkg-config"), "building runc", True),
    Package("libseccomp-dev", _file("include/seccomp.h"), "building runc", True),
    Package("debootstrap", _command("debootstrap"), "the base of Fabula's own images"),
    Package("buildah", _command("buildah"), "building Fabula's own images"),
    Package("ca-certificates", _file("share/ca-certificates"), "downloading what is built", True),
)


@dataclass(frozen=True)
class Finding:
    """Something that stands in the way, and what to do about it."""

    problem: str
    remedy: str


def check(progress: Progress, *, install: bool) -> None:
    """Install what may be installed, then refuse to start while anything is missing."""
    lacking = missing_packages()
    if lacking and install and privileges.is_root() and shutil.which("apt-get"):
        names = [package.name for package in lacking]
        with progress.step(f"install {', '.join(names)}"[:52], "from Debian"):
            _apt(["update", "-qq"])
            _apt(["install", "-y", "-qq", "--no-install-recommends", *names])
    findings = find()
    if findings:
        lines = [f"  - {finding.problem}\n      {finding.remedy}" for finding in findings]
        raise PreflightError("this machine lacks what the cluster needs:\n" + "\n".join(lines))


def find() -> list[Finding]:
    """Everything that stands in the way, all at once."""
    return [
        *_privileges(privileges.is_root(), privileges.has_capability),
        *_packages(missing_packages()),
        *_toolchain(),
        *_disk(),
    ]


def missing_packages() -> list[Package]:
    building = bool(build.missing(NATIVE))
    return [
        package
        for package in PACKAGES
        if (building or not package.only_to_build) and not package.present()
    ]


def _privileges(root: bool, has: Callable[[int], bool]) -> Iterable[Finding]:
    if platform.system() != "Linux":
        yield Finding(
            f"the native cluster needs Linux, this is {platform.system()}",
            "start a Docker engine, kind is used then; or set KUBECONFIG to a cluster you have",
        )
    if not root:
        yield Finding(
            "network namespaces and mounts need root",
            "run it with sudo, or set KUBECONFIG to a cluster you have",
        )
        return
    for number, name in (
        (privileges.CAP_NET_ADMIN, "CAP_NET_ADMIN"),
        (privileges.CAP_SYS_ADMIN, "CAP_SYS_ADMIN"),
    ):
        if not has(number):
            yield Finding(
                f"root lacks {name} here",
                "start this container with it (docker run --privileged), "
                "or set KUBECONFIG to a cluster you have",
            )


def _packages(lacking: list[Package]) -> Iterable[Finding]:
    if lacking:
        names = " ".join(package.name for package in lacking)
        reasons = "; ".join(f"{package.name} ({package.purpose})" for package in lacking)
        yield Finding(
            f"packages are not installed: {reasons}",
            f"apt-get update && apt-get install -y --no-install-recommends {names}"
            "   (or add --install)",
        )


def _toolchain() -> Iterable[Finding]:
    if not build.missing(NATIVE):
        return
    wanted = ".".join(map(str, GO_MINIMUM))
    remedy = f"install Go {wanted} or later: https://go.dev/doc/install"
    if shutil.which("go") is None:
        yield Finding("Go is not installed; it builds the cluster once", remedy)
        return
    done = subprocess.run(
        ["go", "version"], capture_output=True, text=True, check=False, timeout=30
    )
    found = go_version(done.stdout)
    if found is None or found < GO_MINIMUM:
        yield Finding(f"`go version` says {done.stdout.strip()!r}", remedy)


def go_version(text: str) -> tuple[int, int] | None:
    match = re.search(r"go(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else None


def _disk() -> Iterable[Finding]:
    wanted = BUILD_GIB if build.missing(NATIVE) else RUN_GIB
    for path in {_existing(build.cache_root()), _existing(clusters_root())}:
        free = shutil.disk_usage(path).free / 2**30
        if free < wanted:
            yield Finding(
                f"{path} has {free:.1f} GiB free, {wanted:g} GiB are needed",
                "free some, or set XDG_CACHE_HOME and XDG_STATE_HOME to a larger disk",
            )


def _existing(path: Path) -> Path:
    return next(each for each in (path, *path.parents) if each.exists())


def _apt(arguments: list[str]) -> None:
    argv = ["apt-get", "-o", "DPkg::Lock::Timeout=300", *arguments]
    done = subprocess.run(
        argv,
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=_INSTALL_SECONDS,
    )
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-10:])
        raise PreflightError(f"{' '.join(argv)} failed:\n{tail}")
