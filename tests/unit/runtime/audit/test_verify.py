"""Nothing that happens to a log goes unnoticed, and the first bad entry is named."""

import base64
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crds.checkpoint import claimed
from runtime.audit import checkpoints, leaves
from runtime.audit.verify import verify
from tests.unit.runtime.audit.logs import payloads, rewrite, segments, written

COUNT = 30


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("data") / "decisions", COUNT)


@pytest.fixture
def log(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "copy"))


def key(log: Path) -> str:
    return (log / checkpoints.KEY_NAME).read_text()


def test_an_untouched_log_is_what_was_signed(log: Path) -> None:
    verdict = verify(log)
    assert verdict.findings == []
    assert (verdict.entries, verdict.size, verdict.signed) == (COUNT, COUNT, COUNT)
    assert verdict.checkpoints == 8
    assert len(segments(log)) > 3


@given(data=st.data())
@settings(
    deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_flipped_byte_is_found(log: Path, data: st.DataObject) -> None:
    files = sorted(path for path in log.iterdir() if path.is_file())
    path = data.draw(st.sampled_from(files))
    before = path.read_bytes()
    at = data.draw(st.integers(0, len(before) - 1))
    changed = bytearray(before)
    changed[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(changed)
    try:
        assert verify(log).findings
    finally:
        path.write_bytes(before)


def places(log: Path) -> list[tuple[Path, int, int]]:
    """Each entry: its segment, its place in there, its number."""
    found = []
    for path in segments(log):
        found += [(path, at, int(path.stem) + at) for at in range(len(payloads(path)))]
    return found


@given(data=st.data(), act=st.sampled_from(["drop", "repeat", "swap", "edit", "erase-tail"]))
@settings(
    deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_forger_with_the_right_checksums_is_found_and_the_first_bad_entry_named(
    log: Path, data: st.DataObject, act: str
) -> None:
    path, at, number = data.draw(st.sampled_from(places(log)))
    before = path.read_bytes()
    entries = payloads(path)
    match act:
        case "drop":
            del entries[at]
        case "repeat":
            entries.insert(at, entries[at])
            number += 1
        case "swap":
            at = min(at, len(entries) - 2)
            number = int(path.stem) + at
            entries[at], entries[at + 1] = entries[at + 1], entries[at]
        case "edit":
            entries[at] = entries[at].replace(b'"confidence":0.8', b'"confidence":0.9')
        case _:
            del entries[at:]
    rewrite(path, entries)
    try:
        verdict = verify(log)
        assert verdict.first is not None
        assert verdict.first.number == number, verdict.findings
    finally:
        path.write_bytes(before)


def test_a_changed_entry_is_named_with_its_id_and_its_place(log: Path) -> None:
    path = segments(log)[1]
    entries = payloads(path)
    entries[1] = entries[1].replace(b'"weight":4', b'"weight":9')
    rewrite(path, entries)
    first = verify(log).first
    assert first is not None
    assert (first.number, first.file) == (int(path.stem) + 1, path.name)
    assert (first.entry or "").startswith(f"d-{first.number}-")
    assert path.read_bytes()[(first.offset or 0) + 8 :].startswith(entries[1])
    assert "not the entry that was signed" in str(first)


def test_where_the_hashes_were_forged_too_it_says_between_which_checkpoints(log: Path) -> None:
    from crds.merkle import leaf_hash

    path = segments(log)[2]
    number = int(path.stem) + 1
    entries = payloads(path)
    entries[1] = entries[1].replace(b'"weight":4', b'"weight":9')
    rewrite(path, entries)
    kept = bytearray((log / leaves.NAME).read_bytes())
    kept[number * 32 : number * 32 + 32] = leaf_hash(entries[1])
    (log / leaves.NAME).write_bytes(kept)
    verdict = verify(log)
    (finding,) = verdict.findings
    start = number // 4 * 4
    assert finding.number == verdict.signed == start
    assert f"to entry {min(start + 4, COUNT) - 1}" in finding.what


def test_a_log_cut_back_to_an_earlier_checkpoint_needs_what_was_kept_elsewhere(log: Path) -> None:
    notes = checkpoints.read_notes(log)
    last = claimed(notes[-1])
    for path in segments(log):
        if int(path.stem) >= 8:
            path.unlink()
    (path,) = [path for path in segments(log) if int(path.stem) < 8][-1:]
    rewrite(path, payloads(path)[: 8 - int(path.stem)])
    kept = [note for note in notes if claimed(note).size <= 8]
    (log / checkpoints.NAME).write_text("\n---\n".join([*kept, ""]))
    (log / leaves.NAME).write_bytes((log / leaves.NAME).read_bytes()[: 8 * 32])
    assert verify(log).findings == []  # nothing in the folder can know better
    gone = f"entries 8 to {COUNT - 1} were signed and are gone"
    assert gone in str(verify(log, notes=notes[-1:]).first)
    assert gone in str(verify(log, roots=[(last.size, last.root)]).first)


def test_another_key_finds_nothing_signed(log: Path, tmp_path: Path) -> None:
    other = written(tmp_path / "other" / "decisions", 2)
    verdict = verify(log, key=key(other))
    assert "there is no checkpoint that the key signed" in [str(each) for each in verdict.findings]


def test_a_log_without_its_checkpoints_is_refused_to_who_brings_the_key(log: Path) -> None:
    known = key(log)
    (log / checkpoints.NAME).unlink()
    assert verify(log, key=known).findings
    assert not verify(log).findings
    assert verify(log).signed == 0


def test_a_missing_segment_is_named(log: Path) -> None:
    gone = segments(log)[1]
    after = int(segments(log)[2].stem)
    gone.unlink()
    first = verify(log).first
    assert f"entries {int(gone.stem)} to {after - 1} are missing" in str(first)


def test_single_files_are_held_against_what_lies_beside_them(log: Path) -> None:
    path = segments(log)[1]
    assert verify(log, only=[path]).findings == []
    entries = payloads(path)
    entries[0] = entries[0].replace(b'"weight":4', b'"weight":9')
    rewrite(path, entries)
    assert verify(log, only=[path]).findings
    assert verify(log, only=[segments(log)[0]]).findings == []


def test_a_root_from_a_status_is_held_against_the_log(log: Path) -> None:
    last = claimed(checkpoints.read_notes(log)[-1])
    assert verify(log, roots=[(last.size, last.root)]).findings == []
    other = base64.b64decode("OFKBuWONk7I5K2bWQTOLICZMFi00T1y5hVJ3tNLegf4=")
    assert verify(log, roots=[(last.size, other)]).findings
