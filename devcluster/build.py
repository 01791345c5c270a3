"""Builds the programs of a cluster from Go modules into a cache that all clusters share.

An entry is named after everything that determines its content and appears by one rename, so a
build that was killed leaves nothing that could be taken for a program, and nothing builds twice.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from devcluster import modules
from devcluster.errors import BuildError
from devcluster.progress import Progress
from devcluster.versions import Group

BUILD_TIMEOUT_SECONDS = 3600
_LOG_TAIL = 25


def cache_root() -> Path:
    """Where built programs lie: XDG_CACHE_HOME, else ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "fabula" / "devcluster"


def digest(group: Group, source: Path) -> str:
    """Eight hex digits over the pinned module, its sources and the flags."""
    state = hashlib.sha256(repr(sorted(vars(group).items())).encode())
    for path in sorted(source.iterdir()):
        state.update(path.name.encode() + b"\0" + path.read_bytes())
    return state.hexdigest()[:8]


def entry(group: Group) -> Path:
    """The folder with a group's programs, whether it is built yet or not."""
    return cache_root() / f"{group.name}-{group.version}-{digest(group, modules.folder(group))}"


def program(group: Group, name: str) -> Path:
    return entry(group) / name


def missing(groups: Iterable[Group]) -> list[Group]:
    return [group for group in groups if not entry(group).is_dir()]


def ensure(groups: Iterable[Group], progress: Progress) -> None:
    """Build what the cache lacks."""
    for group in missing(groups):
        with _only_one(cache_root() / f"{group.name}.lock"):
            if entry(group).is_dir():
                continue
            expect = f"about {group.minutes:g} min on two cores, once"
            with progress.step(f"build {group.name} {group.version}", expect):
                _build(group)


def command(group: Group, output: Path) -> list[str]:
    """The build itself; `nice`, because it takes every core for minutes."""
    argv = ["nice", "-n", "10", "go", "build", "-mod=readonly", "-buildvcs=false", "-trimpath"]
    if group.tags:
        argv += ["-tags", group.tags]
    return [*argv, "-ldflags", group.ldflags, "-o", f"{output}/", *group.packages().values()]


def _build(group: Group) -> None:
    target = entry(group)
    for stray in target.parent.glob(f".building-{group.name}-*"):
        shutil.rmtree(stray, ignore_errors=True)
    # A name of its own: the compiler of a killed build may still be writing to the last one.
    staging = Path(tempfile.mkdtemp(prefix=f".building-{group.name}-", dir=target.parent))
    staging.chmod(0o755)
    environment = os.environ | {
        "CGO_ENABLED": "1" if group.cgo else "0",
        "GOFLAGS": "",
        "GOWORK": "off",
    }
    try:
        done = subprocess.run(
            command(group, staging),
            cwd=modules.folder(group),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=BUILD_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BuildError(
            f"building {group.name} {group.version} took more than {BUILD_TIMEOUT_SECONDS} s; "
            "run the command again, what was compiled is kept"
        ) from error
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-_LOG_TAIL:])
        raise BuildError(f"building {group.name} {group.version} failed:\n{tail}")
    absent = [name for name in group.programs if not (staging / name).is_file()]
    if absent:
        raise BuildError(f"building {group.name} {group.version} made no {', '.join(absent)}")
    staging.rename(target)


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """Hold a lock that the kernel frees when its holder dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
