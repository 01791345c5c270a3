"""A Debian with Python for where no registry can be reached, made from Debian packages.

Two images: BUILDER has pip and strip, BASE is the same without them.
"""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from images import machine
from images.buildah import Buildah
from images.process import BuildError, run

_BASE_PACKAGES = ("ca-certificates", "libgomp1", "python-is-python3", "python3", "tzdata")
_BUILDER_PACKAGES = ("binutils", "python3-pip")
# Documentation, caches, encodings and leap seconds that Python brings or does not want, and what
# debootstrap copies from the machine it runs on.
_CLUTTER = (
    "etc/hostname",
    "etc/resolv.conf",
    "usr/lib/x86_64-linux-gnu/gconv",
    "usr/lib/aarch64-linux-gnu/gconv",
    "usr/share/doc",
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
    "usr/share/zoneinfo/right",
    "var/cache/apt",
    "var/cache/debconf",
    "var/lib/apt/lists",
    "var/log",
)
_TIMEOUT = 1200.0


@dataclass(frozen=True)
class Base:
    """Names of images that the Dockerfile starts from."""

    base: str
    builder: str


def debian_base(buildah: Buildah, say: Callable[[str], None]) -> Base:
    """The two images, made once and found again in the storage."""
    recipe = repr((machine.DEBIAN_SUITE, _BASE_PACKAGES, _BUILDER_PACKAGES, _CLUTTER))
    key = hashlib.sha256(recipe.encode()).hexdigest()[:12]
    images = Base(base=f"localhost/fabula-base:{key}", builder=f"localhost/fabula-builder:{key}")
    if not (buildah.has(images.base) and buildah.has(images.builder)):
        _make(images, buildah, say)
    return images


def _make(images: Base, buildah: Buildah, say: Callable[[str], None]) -> None:
    if shutil.which("debootstrap") is None:
        raise BuildError("debootstrap is not installed; run: apt-get install buildah debootstrap")
    mirror = machine.debian_mirror()
    container = buildah("from", "scratch").splitlines()[-1]
    root = Path(buildah("mount", container).splitlines()[-1])
    say(f"base: Debian {machine.DEBIAN_SUITE} with Python, from packages")
    included = ",".join((*_BASE_PACKAGES, *_BUILDER_PACKAGES))
    run(
        ["debootstrap", "--variant=minbase", f"--include={included}",
         machine.DEBIAN_SUITE, str(root), mirror],
        timeout=_TIMEOUT, log=buildah.log, keep_open=(buildah.lock,),
    )  # fmt: skip
    # The image must not remember the mirror of this machine.
    sources = root / "etc/apt/sources.list"
    sources.write_text(f"deb {machine.DEBIAN_MIRROR} {machine.DEBIAN_SUITE} main\n")
    _tidy(root)
    say("base: image for building")
    buildah("commit", "--quiet", "--format=oci", container, images.builder)
    say("base: image for running")
    # debootstrap marks every package as wanted for itself; take that back, or nothing is removed.
    script = (
        "apt-mark auto $(dpkg-query --show --showformat '${Package} ') >/dev/null; "
        f"apt-mark manual apt {' '.join(_BASE_PACKAGES)} >/dev/null; "
        f"apt-get purge --yes --quiet --auto-remove {' '.join(_BUILDER_PACKAGES)}"
    )
    run(
        ["chroot", str(root), "sh", "-euc", script],
        timeout=_TIMEOUT, log=buildah.log, keep_open=(buildah.lock,),
    )  # fmt: skip
    _tidy(root)
    buildah("commit", "--quiet", "--format=oci", container, images.base)
    buildah("rm", container)


def _tidy(root: Path) -> None:
    for name in _CLUTTER:
        path = root / name
        if path.is_file() or path.is_symlink():
            path.unlink()
        for child in path.iterdir() if path.is_dir() else ():
            if child.is_dir() and not child.is_symlink():
                shutil.rmtree(child)
            else:
                child.unlink()
    for directory in list((root / "usr/lib/python3").rglob("__pycache__")):
        shutil.rmtree(directory)
