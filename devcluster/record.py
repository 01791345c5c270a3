"""What a native cluster remembers of itself between two commands, and who may change it."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from devcluster import ports
from devcluster.errors import ClusterError
from devcluster.layout import FIRST_PORT, MAX_SLOTS, Layout, check_name, clusters_root, state_of


@dataclass(frozen=True)
class Record:
    """The choices made when a cluster was created."""

    slot: int
    nodes: int
    boot: str
    """The machine's start in which it was created: nothing of it runs after the next one."""
    audit: bool = True

    def layout(self, name: str) -> Layout:
        return Layout(name, self.slot, self.nodes, self.audit)


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def load(name: str) -> Record | None:
    try:
        content = json.loads(_path(name).read_text())
    except FileNotFoundError:
        return None
    return Record(**content)


def save(name: str, record: Record) -> None:
    path = _path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(asdict(record)) + "\n")
    new.rename(path)


def create(name: str, nodes: int, *, audit: bool) -> Record:
    """Take the lowest number whose port is free and that no other cluster of this user has."""
    with _lock(clusters_root() / ".lock"):
        taken = {found.slot for other in names() if (found := load(other)) is not None}
        for slot in range(MAX_SLOTS):
            if slot not in taken and ports.is_free(FIRST_PORT + slot):
                record = Record(slot, nodes, boot_id(), audit)
                save(name, record)
                return record
    raise ClusterError(f"{MAX_SLOTS} clusters exist: remove one with `fabula dev down --name NAME`")


def names() -> list[str]:
    """Every native cluster that has a record."""
    return sorted(path.parent.name for path in clusters_root().glob(f"*/{_FILE}"))


@contextmanager
def exclusive(name: str) -> Iterator[None]:
    """One command at a time for a cluster; the lock goes when there is no cluster after it."""
    with _lock(clusters_root() / f".{check_name(name)}.lock"):
        try:
            yield
        finally:
            if load(name) is None:
                forget_locks(name)


def forget_locks(name: str) -> None:
    """Remove the lock files, the shared one when no cluster is left, and then the empty folder."""
    (clusters_root() / f".{name}.lock").unlink(missing_ok=True)
    if not names():
        (clusters_root() / ".lock").unlink(missing_ok=True)
    for folder in (clusters_root(), clusters_root().parent):
        try:
            folder.rmdir()
        except OSError:  # not empty: another cluster, or something that is not ours
            return


_FILE = "cluster.json"


def _path(name: str) -> Path:
    return state_of(name) / _FILE


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Lock the file that is there once the lock is held, not one that was removed meanwhile."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                current = path.stat().st_ino == os.fstat(file.fileno()).st_ino
            except FileNotFoundError:
                current = False
            if current:
                yield
                return
