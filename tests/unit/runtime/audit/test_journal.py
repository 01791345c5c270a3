"""The tree goes on from what was signed, whatever happens to the files below it."""

import shutil
from pathlib import Path

import pytest

from crds.checkpoint import VerifierKey, claimed
from crds.merkle import verify_consistency, verify_inclusion
from runtime.audit import checkpoints, leaves
from runtime.audit.journal import Journal
from runtime.audit.segments import LogDamagedError

ORIGIN = "play/bard/bard-gateway-0"
ENTRIES = [f"entry {number}".encode() for number in range(150)]


def opened(folder: Path) -> Journal:
    return Journal(folder / "decisions", folder / "audit.key", segment_bytes=600)


def fill(folder: Path, upto: int = 150, signed: int = 150) -> bytes:
    """A journal with entries, of which so many are signed; returns its root."""
    journal = opened(folder)
    for entry in ENTRIES[:signed]:
        journal.append([entry])
    journal.checkpoint(ORIGIN)
    for entry in ENTRIES[signed:upto]:
        journal.append([entry])
    root = journal.root()
    journal.close()
    return root


def test_it_goes_on_under_the_same_root(tmp_path: Path) -> None:
    root = fill(tmp_path, signed=100)
    journal = opened(tmp_path)
    assert (journal.damage, len(journal), journal.signed) == ([], 150, 100)
    assert journal.root() == root
    journal.append([b"one more"])
    old, new = claimed(journal.latest or ""), claimed(journal.checkpoint(ORIGIN))
    proof = journal.consistency(100, 151)
    assert verify_consistency(100, 151, proof, old.root, new.root)
    journal.close()


def test_a_checkpoint_is_signed_once_for_each_state(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    first = journal.checkpoint(ORIGIN)
    assert claimed(first).size == 0
    assert journal.checkpoint(ORIGIN) == first
    journal.append([b"entry"])
    second = journal.checkpoint(ORIGIN)
    assert VerifierKey.parse(journal.key(ORIGIN)).verify(second).size == 1
    assert len(checkpoints.read_notes(tmp_path / "decisions")) == 2
    journal.close()


def test_every_entry_is_proven_under_the_last_checkpoint(tmp_path: Path) -> None:
    fill(tmp_path, signed=100)
    journal = opened(tmp_path)
    for number in (0, 63, 64, 99, 149):
        found = journal.inclusion(number, ORIGIN)
        note = claimed(found.note)
        assert note.size == (100 if number < 100 else 150)
        assert verify_inclusion(found.leaf, number, note.size, found.proof, note.root)
    with pytest.raises(IndexError):
        journal.inclusion(150, ORIGIN)
    journal.close()


@pytest.mark.parametrize("file", [leaves.NAME, checkpoints.NAME, checkpoints.KEY_NAME])
def test_beside_whole_entries_any_other_file_may_be_cut_anywhere(tmp_path: Path, file: str) -> None:
    root = fill(tmp_path / "whole", signed=60)
    size = (tmp_path / "whole/decisions" / file).stat().st_size
    for cut in {*range(0, size, 37), size - 1}:
        folder = tmp_path / str(cut)
        shutil.copytree(tmp_path / "whole", folder)
        with (folder / "decisions" / file).open("r+b") as cut_file:
            cut_file.truncate(cut)
        journal = opened(folder)
        assert journal.root() == root
        journal.checkpoint(ORIGIN)
        journal.close()
        again = opened(folder)
        assert (again.damage, again.signed, again.root()) == ([], 150, root)
        again.close()


def test_a_damaged_entry_costs_itself_and_not_the_tree(tmp_path: Path) -> None:
    root = fill(tmp_path)
    path = sorted((tmp_path / "decisions").glob("*.seg"))[1]
    path.write_bytes(path.read_bytes().replace(b"entry 40", b"forged!!"))
    journal = opened(tmp_path)
    assert "entry 40" in journal.damage[0]
    with pytest.raises(LogDamagedError):
        journal.read(40)
    assert journal.root() == root
    note = claimed(journal.latest or "")
    found = journal.inclusion(40, ORIGIN)
    assert verify_inclusion(found.leaf, 40, 150, found.proof, note.root)
    journal.close()


def test_numbers_that_were_signed_are_not_given_again(tmp_path: Path) -> None:
    root = fill(tmp_path)
    last = sorted((tmp_path / "decisions").glob("*.seg"))[-1]
    first = int(last.stem)
    last.unlink()
    journal = opened(tmp_path)
    assert f"entries {first} to 149 were signed and are gone" in journal.damage
    assert (len(journal), journal.root()) == (150, root)
    journal.append([b"after"])
    assert journal.read(150) == b"after"
    with pytest.raises(LogDamagedError):
        journal.read(149)
    assert verify_consistency(150, 151, journal.consistency(150, 151), root, journal.root())
    journal.close()


def test_the_private_key_is_the_owners_and_a_damaged_one_is_set_aside(tmp_path: Path) -> None:
    fill(tmp_path)
    key = tmp_path / "audit.key"
    assert key.stat().st_mode & 0o777 == 0o600
    key.write_bytes(b"no key")
    journal = opened(tmp_path)
    assert "set aside as audit.damaged" in journal.damage[0]
    assert (tmp_path / "audit.damaged").read_bytes() == b"no key"
    # What another key signed is not taken for its own; the entries are all there.
    assert (journal.latest, len(journal)) == (None, 150)
    journal.checkpoint(ORIGIN)
    assert journal.signed == 150
    journal.close()


def test_old_checkpoints_are_thinned_and_the_newest_all_kept(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    for number in range(700):
        journal.append([b"entry"])
        journal.checkpoint(ORIGIN)
        assert journal.signed == number + 1
    sizes = [claimed(note).size for note in checkpoints.read_notes(tmp_path / "decisions")]
    assert len(sizes) <= checkpoints.MOST
    assert sizes == sorted(sizes)
    assert sizes[-100:] == list(range(601, 701))
    assert sizes[0] == 1
    journal.close()


def test_a_refused_write_leaves_the_tree_as_it_is(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.append([b"kept"])
    root = journal.root()
    with pytest.raises(ValueError, match="an entry has 1 to"):
        journal.append([b"good", b""])
    assert (len(journal), journal.root()) == (1, root)
    journal.close()
