"""The tree equals RFC 6962 word for word, and its proofs prove nothing else."""

from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crds.merkle import EMPTY_ROOT, leaf_hash, verify_consistency, verify_inclusion
from runtime.audit.tree import Tree

ENTRIES = [f"entry {number}".encode() for number in range(300)]


class Leaves(bytearray):
    """Leaf hashes in memory."""

    def __len__(self) -> int:
        return super().__len__() // 32

    def read(self, start: int, end: int) -> bytes:
        return bytes(self[start * 32 : end * 32])


def split(width: int) -> int:
    power = 1
    while power * 2 < width:
        power *= 2
    return power


def naive_root(entries: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962, 2.1, as it is written there."""
    if not entries:
        return sha256().digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    k = split(len(entries))
    return sha256(b"\x01" + naive_root(entries[:k]) + naive_root(entries[k:])).digest()


def naive_path(m: int, entries: Sequence[bytes]) -> list[bytes]:
    """PATH of RFC 6962, 2.1.1."""
    if len(entries) == 1:
        return []
    k = split(len(entries))
    if m < k:
        return [*naive_path(m, entries[:k]), naive_root(entries[k:])]
    return [*naive_path(m - k, entries[k:]), naive_root(entries[:k])]


def naive_subproof(m: int, entries: Sequence[bytes], whole: bool) -> list[bytes]:
    """SUBPROOF of RFC 6962, 2.1.2."""
    if m == len(entries):
        return [] if whole else [naive_root(entries)]
    k = split(len(entries))
    if m <= k:
        return [*naive_subproof(m, entries[:k], whole), naive_root(entries[k:])]
    return [*naive_subproof(m - k, entries[k:], False), naive_root(entries[:k])]


def tree_of(entries: Sequence[bytes]) -> Tree:
    leaves = Leaves()
    tree = Tree(leaves)
    for entry in entries:
        leaves += leaf_hash(entry)
        tree.grow()
    return tree


TREE = tree_of(ENTRIES)


def test_an_empty_log_has_the_root_of_nothing() -> None:
    assert tree_of([]).root() == EMPTY_ROOT == naive_root([])


def test_the_root_at_every_size_is_that_of_the_rfc() -> None:
    assert [TREE.root(size) for size in range(301)] == [
        naive_root(ENTRIES[:size]) for size in range(301)
    ]


@given(size=st.integers(1, 300), data=st.data())
@settings(deadline=None)
def test_inclusion_is_proven_as_the_rfc_says(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = TREE.inclusion(index, size)
    assert proof == naive_path(index, ENTRIES[:size])
    leaf, root = leaf_hash(ENTRIES[index]), TREE.root(size)
    assert verify_inclusion(leaf, index, size, proof, root)


@given(second=st.integers(1, 300), data=st.data())
@settings(deadline=None)
def test_consistency_is_proven_as_the_rfc_says(second: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(1, second))
    proof = TREE.consistency(first, second)
    assert proof == naive_subproof(first, ENTRIES[:second], True)
    assert verify_consistency(first, second, proof, TREE.root(first), TREE.root(second))


@given(size=st.integers(2, 300), data=st.data())
@settings(deadline=None, max_examples=200)
def test_a_proof_of_something_else_is_refused(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof, root = TREE.inclusion(index, size), TREE.root(size)
    other = data.draw(st.integers(0, size - 1).filter(lambda number: number != index))
    assert not verify_inclusion(leaf_hash(ENTRIES[other]), index, size, proof, root)
    assert not verify_inclusion(leaf_hash(b"forged"), index, size, proof, root)
    assert not verify_inclusion(leaf_hash(ENTRIES[index]), index, size, proof[:-1], root)
    assert not verify_inclusion(leaf_hash(ENTRIES[index]), index, size, [*proof, root], root)


@given(second=st.integers(2, 300), data=st.data())
@settings(deadline=None, max_examples=200)
def test_a_log_that_was_rewritten_is_not_consistent(second: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(1, second - 1))
    changed = data.draw(st.integers(0, first - 1))
    entries = [*ENTRIES[:changed], b"forged", *ENTRIES[changed + 1 : second]]
    forged = tree_of(entries)
    proof = forged.consistency(first, second)
    old, new = TREE.root(first), forged.root()
    assert not verify_consistency(first, second, proof, old, new)
    assert not verify_consistency(first, second, TREE.consistency(first, second), old, new)
    assert not verify_consistency(first, second, proof, forged.root(first), TREE.root(second))


def test_every_log_begins_with_the_empty_one() -> None:
    assert verify_consistency(0, 7, [], EMPTY_ROOT, TREE.root(7))
    assert not verify_consistency(0, 7, [], TREE.root(1), TREE.root(7))
    assert not verify_consistency(7, 3, [], TREE.root(7), TREE.root(3))


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 301), (0, 0)])
def test_what_is_not_there_has_no_proof(index: int, size: int) -> None:
    with pytest.raises(IndexError):
        TREE.inclusion(index, size)
