"""Entries as bytes under one Merkle tree: the segments hold them, the leaves their hashes, and what
was signed is never signed differently again."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crds.checkpoint import Checkpoint, claimed
from crds.merkle import HASH, leaf_hash
from runtime.audit.checkpoints import Checkpoints, signing_key
from runtime.audit.leaves import Leaves
from runtime.audit.segments import SEGMENT_BYTES, LogDamagedError, Seen, SegmentLog
from runtime.audit.tree import Tree

#: Stands in the tree for an entry that was unreadable before its hash was ever stored.
UNKNOWN_LEAF = bytes(HASH)


class RemovedError(LogDamagedError):
    """The entry was removed because it was older than the policy keeps them."""


@dataclass(frozen=True, slots=True)
class Inclusion:
    """That an entry is in a log: its hash, its number, and the way to a signed root."""

    index: int
    leaf: bytes
    proof: list[bytes]
    note: str


class Journal:
    """One writer, in one thread; only ``read`` may run beside it."""

    def __init__(
        self,
        folder: Path,
        key: Path,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        heard: Seen = lambda number, payload: None,
    ) -> None:
        """Open it, or start one.

        Args:
            folder: the segments, hashes and checkpoints. It may be copied for anyone to verify.
            key: file of the private key, which should lie elsewhere.
            segment_bytes: length at which a segment is closed.
            heard: told of every stored entry.

        Raises:
            OSError: the volume refused.
        """
        self._heard = heard
        folder.mkdir(parents=True, exist_ok=True)
        signing, trouble = signing_key(key)
        #: What is wrong with the stored entries, in words.
        self.damage = [trouble] if trouble else []
        self._checkpoints = Checkpoints(folder, signing)
        self._leaves = Leaves(folder)
        signed = self._signed()
        self._leaves.cut(signed)
        self._known = self._leaves.read(0, signed)
        self._segments = SegmentLog(folder, segment_bytes=segment_bytes, seen=self._seen)
        if len(self._segments) < signed:
            # The end is gone, and with it entries that were signed. Their hashes are known, so the
            # tree goes on after them, and their numbers are not given again.
            self.damage.append(
                f"entries {len(self._segments)} to {signed - 1} were signed and are gone"
            )
            self._segments.skip_to(signed)
        self._known = b""
        self.damage += self._segments.damage
        self._tree = Tree(self._leaves)

    def __len__(self) -> int:
        return len(self._segments)

    @property
    def first(self) -> int:
        """The number of the first entry that is kept."""
        return self._segments.first

    @property
    def cut_bytes(self) -> int:
        """Bytes of a torn tail that were set aside when it was opened."""
        return self._segments.cut_bytes

    @property
    def latest(self) -> str | None:
        """The last signed checkpoint."""
        return self._checkpoints.latest

    @property
    def signed(self) -> int:
        """Entries under the last checkpoint."""
        note = self.latest
        return claimed(note).size if note else 0

    def key(self, origin: str) -> str:
        """The public key under that origin."""
        return str(self._checkpoints.verifier(origin))

    def append(self, payloads: Sequence[bytes]) -> None:
        """Write entries and sync them to the disk, all or none.

        Raises:
            OSError: the disk refused; the log is as it was.
        """
        self._segments.append(payloads)
        self._leaves.append(b"".join(leaf_hash(payload) for payload in payloads))
        self._tree.grow()

    def read(self, number: int) -> bytes:
        """One entry.

        Raises:
            IndexError: there is none of that number.
            RemovedError: it was removed by policy.
            LogDamagedError: its checksum is wrong, or it is missing.
        """
        if 0 <= number < self.first:
            raise RemovedError(f"entry {number} is older than the log keeps entries")
        return self._segments.read(number)

    def checkpoint(self, origin: str) -> str:
        """The signed checkpoint over everything that there is; a new one only if there is more.

        Raises:
            OSError: the volume refused.
        """
        last = self.latest
        if last and (claimed(last).origin, claimed(last).size) == (origin, len(self)):
            return last
        self._leaves.flush()
        return self._checkpoints.add(Checkpoint(origin, len(self), self._tree.root()))

    def root(self, size: int | None = None) -> bytes:
        """The root over the first ``size`` entries, or over all."""
        return self._tree.root(size)

    def inclusion(self, number: int, origin: str) -> Inclusion:
        """The proof that an entry is under the last checkpoint, which is signed now where it does
        not reach that far.

        Raises:
            IndexError: there is no such entry.
            OSError: the volume refused.
        """
        if not 0 <= number < len(self):
            raise IndexError(number)
        note = self.latest
        if note is None or claimed(note).size <= number or claimed(note).origin != origin:
            note = self.checkpoint(origin)
        proof = self._tree.inclusion(number, claimed(note).size)
        return Inclusion(number, self._leaves.read(number, number + 1), proof, note)

    def consistency(self, first: int, second: int) -> list[bytes]:
        """The proof that the first ``second`` entries begin with the first ``first``.

        Raises:
            IndexError: there are not so many.
        """
        return self._tree.consistency(first, second)

    def segments(self) -> list[tuple[int, int]]:
        """Each segment: the number of its first entry, and of the one after its last."""
        return [(first, end) for _, first, end in self._segments.segments()]

    def roll(self) -> None:
        """Begin a new segment.

        Raises:
            OSError: the volume refused.
        """
        self._segments.roll()

    def remove_before(self, number: int) -> None:
        """Delete the whole segments below ``number``. Their hashes stay.

        Raises:
            ValueError: they are not all under a checkpoint yet.
            OSError: the volume refused.
        """
        if number > self.signed:
            raise ValueError(f"entries before {number} are not all signed")
        self._segments.remove_before(number)

    def close(self) -> None:
        """Let go of the files. Everything appended is already durable."""
        self._segments.close()
        self._leaves.close()

    def _signed(self) -> int:
        """How many of the stored hashes stand under the last checkpoint."""
        note = self._checkpoints.latest
        if note is None:
            return 0
        checkpoint = claimed(note)
        tree = Tree(self._leaves)
        if checkpoint.size <= len(tree) and tree.root(checkpoint.size) == checkpoint.root:
            return checkpoint.size
        self.damage.append(
            f"the stored hashes are not those of the checkpoint over {checkpoint.size} entries; "
            "they are made again from the entries"
        )
        return 0

    def _seen(self, number: int, payload: bytes | None) -> None:
        """Compare a stored entry with what was signed of it, or take up its hash."""
        self._heard(number, payload)
        leaf = UNKNOWN_LEAF if payload is None else leaf_hash(payload)
        if (number + 1) * HASH <= len(self._known):
            signed = self._known[number * HASH : (number + 1) * HASH]
            if payload is not None and leaf != signed:
                self.damage.append(f"entry {number} is not the one that was signed")
            return
        gap = number - len(self._leaves)
        self._leaves.append(UNKNOWN_LEAF * gap + leaf)
