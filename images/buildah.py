"""buildah without a daemon, on a storage of its own inside our cache."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from images.job import BUILD_TIMEOUT, Job
from images.process import BuildError, run

_COMMAND_TIMEOUT = 300.0
# Each edit of the source leaves a few images behind; beyond this many all unnamed ones go.
_MOST_IMAGES = 500


@dataclass(frozen=True)
class Buildah:
    """A storage and how to call buildah on it."""

    folder: Path
    driver: str
    log: Path
    lock: int

    def __call__(
        self,
        *arguments: str,
        timeout: float = _COMMAND_TIMEOUT,
        on_line: Callable[[str], None] = lambda line: None,
    ) -> str:
        command = [
            "buildah",
            f"--root={self.folder / 'storage'}",
            f"--runroot={self.folder / 'run'}",
            f"--storage-driver={self.driver}",
            *arguments,
        ]
        # chroot isolation needs no user namespaces and no runc. Blobs and the cache mounts of RUN
        # go to TMPDIR, so that removing our cache removes everything.
        environment = os.environ | {
            "BUILDAH_ISOLATION": "chroot",
            "TMPDIR": str(self.folder / "tmp"),
        }
        return run(
            command,
            timeout=timeout,
            log=self.log,
            env=environment,
            keep_open=(self.lock,),
            on_line=on_line,
        ).strip()

    def has(self, image: str) -> bool:
        try:
            self("inspect", "--type=image", "--format={{.FromImageID}}", image)
        except BuildError:
            return False
        return True

    def build(self, job: Job) -> None:
        pull = "--pull-never" if job.base.startswith("localhost/") else "--pull"
        self(
            *("bud", "--layers", "--format=oci", "--identity-label=false", pull),
            f"--ignorefile={job.context / 'images/Dockerfile.dockerignore'}",
            *job.arguments,
            timeout=BUILD_TIMEOUT,
            on_line=job.on_line,
        )

    def save(self, image: str, folder: Path) -> None:
        """Write the blobs of an image into `folder`, layers uncompressed."""
        self("push", "--quiet", "--disable-compression", image, f"dir:{folder}")


@contextmanager
def open_storage(folder: Path, log: Path, lock: int) -> Iterator[Buildah]:
    """The storage in `folder`, on overlay where the kernel and the file system allow it, else vfs.

    What a killed build left (working containers, mounts) is cleared away first; no mount stays.
    """
    if shutil.which("buildah") is None:
        raise BuildError("buildah is not installed; run: apt-get install buildah debootstrap")
    if os.geteuid() != 0:
        raise BuildError("buildah without a daemon needs root here; run as root or start Docker")
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    unmount_below(folder)
    buildah = Buildah(folder=folder, driver="overlay", log=log, lock=lock)
    try:
        try:
            buildah("rm", "--all")
        except BuildError:
            buildah = replace(buildah, driver="vfs")
            buildah("rm", "--all")
        if len(buildah("images", "--all", "--quiet").splitlines()) > _MOST_IMAGES:
            # Stages of builds long gone. The bases have names and stay.
            buildah("rmi", "--prune", "--force")
        yield buildah
    finally:
        unmount_below(folder)


def unmount_below(folder: Path) -> None:
    """Unmount what is mounted under `folder`, the deepest first."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for mount in sorted(mounts, key=len, reverse=True):
        if Path(mount).is_relative_to(folder):
            run(["umount", "--lazy", mount], timeout=30, log=Path(os.devnull))
