"""Build the images that are not in the cache yet and return their archives.

An archive is named by the content that made it, so an unchanged checkout costs nothing. One build
runs at a time; archives appear whole or not at all; what was killed is done again by the next.
"""

import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from images import docker, machine
from images.archive import pack
from images.base import Base, debian_base
from images.buildah import open_storage
from images.job import Job
from images.process import BuildError
from images.targets import ROOT, TARGETS, Target, content_key, stage_context

PUBLIC_BASE = "docker.io/library/python:3.11-slim-bookworm"
_KEPT_PER_TARGET = 2

Say = Callable[[str], None]


def cache_folder() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "fabula/images"


def build(
    targets: Sequence[str] = tuple(TARGETS),
    say: Say = print,
    *,
    base: str | None = None,
    root: Path = ROOT,
    cache: Path | None = None,
) -> dict[str, Path]:
    """OCI archives by target, in a folder named by their content, `<key>/<target>.tar`.

    Each carries two names for `ctr images import`: fabula.dev/<target>:dev and :<key>.

    `base` is the image to start from; left out, it is the public one where its registry answers,
    else one made from Debian packages. It is no part of the key: either behaves the same.
    """
    unknown = [name for name in targets if name not in TARGETS]
    if unknown:
        raise BuildError(
            f"there is no image {', '.join(unknown)}; the images are {', '.join(TARGETS)}"
        )
    cache = cache or cache_folder()
    archives = {name: _archive(TARGETS[name], root, cache) for name in targets}
    if not all(path.exists() for path in archives.values()):
        cache.mkdir(parents=True, exist_ok=True)
        with _lock(cache / "lock", say) as lock:
            # Keys again: what we waited for may have built them, or the checkout may have changed.
            archives = {name: _archive(TARGETS[name], root, cache) for name in targets}
            missing = [TARGETS[name] for name, path in archives.items() if not path.exists()]
            if missing:
                archives |= _build(missing, base, root, cache, lock, say)
            _prune(cache)
    for path in archives.values():
        os.utime(path)
    return archives


def _archive(target: Target, root: Path, cache: Path) -> Path:
    return cache / content_key(target, root) / f"{target.name}.tar"


@contextmanager
def _lock(path: Path, say: Say) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another build of the images")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _build(
    targets: Sequence[Target], base: str | None, root: Path, cache: Path, lock: int, say: Say
) -> dict[str, Path]:
    log = cache / "build.log"
    log.write_text("")
    with ExitStack() as stack:
        bases = Base(base or PUBLIC_BASE, base or PUBLIC_BASE)
        buildah = None
        if not docker.docker_answers():
            buildah = stack.enter_context(open_storage(cache / "buildah", log, lock))
            if base is None and not machine.registry_answers(PUBLIC_BASE):
                bases = debian_base(buildah, say)
        name = stack.enter_context(tempfile.TemporaryDirectory(dir=cache, prefix="work-"))
        secrets = _secrets(Path(name))
        archives = {}
        for target in targets:
            started = time.monotonic()
            context = Path(name) / target.name
            context.mkdir()
            stage_context(target, context, root)
            # The key of what was staged, in case a file changed since it was computed.
            archive = _archive(target, context, cache)
            names = target.names(archive.parent.name)
            on_line = _progress(target, say)
            job = Job(target, context, bases.base, bases.builder, secrets, on_line)
            made = context.with_suffix(".tar")
            if buildah:
                buildah.build(job)
                blobs = context.with_suffix(".blobs")
                buildah.save(target.image, blobs)
                pack(blobs, names, made)
                shutil.rmtree(blobs)
            else:
                docker.build(job, log, lock)
                docker.save(target.image, names, made, log, lock)
            archive.parent.mkdir(exist_ok=True)
            made.replace(archive)
            seconds, size = time.monotonic() - started, archive.stat().st_size / 2**20
            say(f"{target.name}: {names[-1]}, {size:.0f} MiB, in {seconds:.1f} s")
            archives[target.name] = archive
    return archives


def _secrets(work: Path) -> dict[str, Path]:
    """What the Dockerfile mounts to reach the package index; empty files where there is nothing."""
    bundle = machine.ca_bundle()
    ca = work / "ca.crt"
    ca.write_bytes(bundle.read_bytes() if bundle else b"")
    conf = work / "pip.conf"
    conf.write_text(machine.pip_conf(machine.pip_settings(), with_ca=bundle is not None))
    return {"pip.conf": conf, "ca.crt": ca}


def _progress(target: Target, say: Say) -> Callable[[str], None]:
    """Say when a build enters the stages that take long."""
    stages = {f"{target.name}-lib": "dependencies", f"{target.name}-app": "code"}
    said = set()

    def on_line(line: str) -> None:
        match = re.search(r"FROM \S+ AS (\S+)|\[(\S+-(?:lib|app)) ", line)
        stage = match and (match.group(1) or match.group(2))
        if stage in stages and stage not in said:
            said.add(stage)
            say(f"{target.name}: {stages[stage]}")

    return on_line


def _prune(cache: Path) -> None:
    """Keep the newest archives of each image, and nothing that a killed build left."""
    for leftover in cache.glob("work-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    for name in TARGETS:
        archives = sorted(
            cache.glob(f"*/{name}.tar"), key=lambda path: path.stat().st_mtime, reverse=True
        )
        for archive in archives[_KEPT_PER_TARGET:]:
            archive.unlink()
            if not any(archive.parent.iterdir()):
                archive.parent.rmdir()
