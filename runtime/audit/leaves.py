"""The hashes of all entries, one after the other in one file: the lowest level of the Merkle tree.

They stay when entries are removed or damaged, so that the tree and its proofs stay too. They are
written with a checkpoint and not before: what came after the last one follows from the entries.
"""

import os
from pathlib import Path

from crds.merkle import HASH
from runtime.audit.segments import sync_folder

NAME = "leaves"


class Leaves:
    """One writer; ``read`` must not run beside ``flush``."""

    def __init__(self, folder: Path) -> None:
        """Open the file, or start it. A part of a hash at its end is cut off.

        Raises:
            OSError: the volume refused.
        """
        path = folder / NAME
        fresh = not path.exists()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        if fresh:
            sync_folder(folder)
        self._stored = os.fstat(self._file).st_size // HASH
        #: Hashes that are not in the file yet.
        self._tail = bytearray()

    def __len__(self) -> int:
        return self._stored + len(self._tail) // HASH

    def read(self, start: int, end: int) -> bytes:
        """The hashes of entries ``start`` to ``end``."""
        stored = b""
        if start < self._stored:
            until = min(end, self._stored)
            stored = os.pread(self._file, (until - start) * HASH, start * HASH)
        from_tail = max(0, start - self._stored) * HASH
        return stored + bytes(self._tail[from_tail : max(0, end - self._stored) * HASH])

    def append(self, hashes: bytes) -> None:
        """Add hashes, in memory."""
        self._tail += hashes

    def cut(self, length: int) -> None:
        """Keep the first ``length`` hashes."""
        self._tail = self._tail[: max(0, length - self._stored) * HASH]
        if length < self._stored:
            os.ftruncate(self._file, length * HASH)
            self._stored = length

    def flush(self) -> None:
        """Make everything durable.

        Raises:
            OSError: the volume refused; nothing is lost from memory.
        """
        written = 0
        while written < len(self._tail):
            rest = self._tail[written : written + (1 << 20)]
            written += os.pwrite(self._file, rest, self._stored * HASH + written)
        os.fdatasync(self._file)
        self._stored += len(self._tail) // HASH
        self._tail.clear()

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)
