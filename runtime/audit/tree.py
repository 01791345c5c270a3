"""The Merkle tree of RFC 6962 over the entries of a log: roots and proofs at any size.

The hashes of leaves lie in a file. In memory is one growing array of hashes a level, from the level
on at which a node covers a block of leaves: about 1 byte an entry. What is below is hashed again
when a proof asks for it.
"""

from typing import Protocol

from crds.merkle import EMPTY_ROOT, HASH, node_hash

#: A node of the lowest level in memory covers 2**_BLOCK leaves.
_BLOCK = 6


class LeafHashes(Protocol):
    """Where the hashes of entries are."""

    def __len__(self) -> int: ...

    def read(self, start: int, end: int) -> bytes:
        """The hashes of entries ``start`` to ``end``, one after the other."""
        ...


class Tree:
    """The tree over all leaf hashes that there are. ``grow`` takes up new ones."""

    def __init__(self, leaves: LeafHashes) -> None:
        self._leaves = leaves
        self._levels: list[bytearray] = [bytearray()]
        self.grow()

    def __len__(self) -> int:
        return len(self._leaves)

    def grow(self) -> None:
        """Take up what was added to the leaves."""
        known = len(self._levels[0]) // HASH
        for block in range(known, len(self._leaves) >> _BLOCK):
            start = block << _BLOCK
            self._push(_fold(self._leaves.read(start, start + (1 << _BLOCK))))

    def root(self, size: int | None = None) -> bytes:
        """The root over the first ``size`` entries; over all, when it is left out.

        Raises:
            IndexError: there are not so many.
        """
        size = self._checked(len(self) if size is None else size)
        return self._range(0, size) if size else EMPTY_ROOT

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """The proof that entry ``index`` is among the first ``size`` (RFC 9162, 2.1.3.1).

        Raises:
            IndexError: it is not.
        """
        if not 0 <= index < self._checked(size):
            raise IndexError(index)
        proof: list[bytes] = []
        start, end = 0, size
        while end - start > 1:
            middle = start + _split(end - start)
            if index < middle:
                proof.append(self._range(middle, end))
                end = middle
            else:
                proof.append(self._range(start, middle))
                start = middle
        return proof[::-1]

    def consistency(self, first: int, second: int) -> list[bytes]:
        """The proof that the first ``second`` entries begin with the first ``first`` (RFC 9162,
        2.1.4.1). Empty where none is needed.

        Raises:
            IndexError: ``first`` is beyond ``second``, or there are not so many.
        """
        if not 0 <= first <= self._checked(second):
            raise IndexError(first)
        if first in (0, second):
            return []
        proof: list[bytes] = []
        start, end, whole = 0, second, True
        while first != end:
            middle = start + _split(end - start)
            if first <= middle:
                proof.append(self._range(middle, end))
                end = middle
            else:
                proof.append(self._range(start, middle))
                start, whole = middle, False
        if not whole:
            proof.append(self._range(start, end))
        return proof[::-1]

    def _checked(self, size: int) -> int:
        if not 0 <= size <= len(self):
            raise IndexError(size)
        return size

    def _range(self, start: int, end: int) -> bytes:
        """The hash over a range that begins where a subtree of its size does."""
        width = end - start
        if width & (width - 1) == 0:
            return self._node(width.bit_length() - 1, start)
        middle = start + _split(width)
        return node_hash(self._range(start, middle), self._range(middle, end))

    def _node(self, level: int, start: int) -> bytes:
        if level < _BLOCK:
            return _fold(self._leaves.read(start, start + (1 << level)))
        at = (start >> level) * HASH
        return bytes(self._levels[level - _BLOCK][at : at + HASH])

    def _push(self, node: bytes) -> None:
        for level in range(len(self._levels) + 1):
            if level == len(self._levels):
                self._levels.append(bytearray())
            nodes = self._levels[level]
            nodes += node
            if len(nodes) // HASH % 2:
                return
            node = node_hash(bytes(nodes[-2 * HASH : -HASH]), node)


def _split(width: int) -> int:
    """The largest power of two below ``width``."""
    return 1 << (width - 1).bit_length() - 1


def _fold(hashes: bytes) -> bytes:
    """The node over a power of two of hashes."""
    while len(hashes) > HASH:
        hashes = b"".join(
            node_hash(hashes[at : at + HASH], hashes[at + HASH : at + 2 * HASH])
            for at in range(0, len(hashes), 2 * HASH)
        )
    return hashes
