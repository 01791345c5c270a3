"""The images that a cluster needs before it can run any: made here, nothing can be pulled."""

import hashlib
import platform
import subprocess
from pathlib import Path

from devcluster import archive, build, modules
from devcluster.archive import Image
from devcluster.errors import BuildError
from devcluster.progress import Progress
from devcluster.versions import (
    COREDNS,
    COREDNS_IMAGE,
    LOCAL_PATH,
    LOCAL_PATH_IMAGE,
    PAUSE_IMAGE,
    SHELL_IMAGE,
)

BUSYBOX = Path("/bin/busybox")
_TIMEOUT_SECONDS = 60


def ensure(progress: Progress) -> Path:
    """One archive with all of them, from the cache or made now."""
    path = build.cache_root() / f"system-images-{_digest()}.tar"
    if not path.exists():
        with progress.step("make the system images"):
            archive.write(path, [*_images(_pause())], platform.machine())
    return path


def _images(pause: Path) -> list[Image]:
    coredns = build.program(COREDNS, "coredns")
    provisioner = build.program(LOCAL_PATH, "local-path-provisioner")
    return [
        Image(PAUSE_IMAGE, {"pause": pause}, ("/pause",)),
        Image(COREDNS_IMAGE, {"coredns": coredns}, ("/coredns",)),
        Image(LOCAL_PATH_IMAGE, {"provisioner": provisioner}, ("/provisioner",)),
        Image(
            SHELL_IMAGE,
            {"bin/busybox": BUSYBOX},
            ("/bin/sh",),
            links={f"bin/{applet}": "busybox" for applet in _applets()},
            user="0:0",
        ),
    ]


def _pause() -> Path:
    """Compile the program that holds a pod's namespaces open."""
    target = build.cache_root() / f"pause-{_hash(_pause_source().read_bytes())}"
    if not target.exists():
        staging = target.with_suffix(".new")
        argv = ["gcc", "-static", "-Os", "-s", "-o", str(staging), str(_pause_source())]
        done = subprocess.run(
            argv, capture_output=True, text=True, check=False, timeout=_TIMEOUT_SECONDS
        )
        if done.returncode != 0:
            raise BuildError(f"{' '.join(argv)}: {done.stderr.strip()}")
        staging.rename(target)
    return target


def _applets() -> list[str]:
    done = subprocess.run(
        [str(BUSYBOX), "--list"],
        capture_output=True,
        text=True,
        check=True,
        timeout=_TIMEOUT_SECONDS,
    )
    return [name for name in done.stdout.split() if name != "busybox"]


def _digest() -> str:
    parts = (
        (modules.MODULES.parent / "archive.py").read_bytes(),
        Path(__file__).read_bytes(),
        _pause_source().read_bytes(),
        BUSYBOX.read_bytes(),
        str(build.entry(COREDNS)).encode(),
        str(build.entry(LOCAL_PATH)).encode(),
    )
    return _hash(b"".join(parts))


def _pause_source() -> Path:
    return modules.MODULES / "pause" / "pause.c"


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:8]
