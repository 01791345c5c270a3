"""The log survives: what was synced is there whatever happens to the bytes after it."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.audit.framing import MAGIC, encode
from runtime.audit.segments import LogDamagedError, SegmentLog

PAYLOADS = st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=8)


def contents(log: SegmentLog) -> list[bytes]:
    return [log.read(number) for number in range(len(log))]


def readable(log: SegmentLog) -> dict[int, bytes]:
    found = {}
    for number in range(len(log)):
        with suppress(LogDamagedError):
            found[number] = log.read(number)
    return found


def written(folder: Path, payloads: list[bytes], segment_bytes: int = 1 << 20) -> None:
    log = SegmentLog(folder, segment_bytes=segment_bytes)
    for payload in payloads:
        log.append([payload])
    log.close()


def last_segment(folder: Path) -> Path:
    return sorted(folder.glob("*.seg"))[-1]


@given(payloads=PAYLOADS, segment_bytes=st.integers(1, 200))
@settings(deadline=None, max_examples=50)
def test_everything_is_read_again_across_segments(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes], segment_bytes: int
) -> None:
    folder = tmp_path_factory.mktemp("log")
    written(folder, payloads, segment_bytes)
    log = SegmentLog(folder, segment_bytes=segment_bytes)
    assert contents(log) == payloads
    log.close()


def test_cut_at_any_byte_the_whole_entries_before_it_remain(tmp_path: Path) -> None:
    payloads = [b"first", b"second entry", b"3"]
    whole = MAGIC + b"".join(encode(payload) for payload in payloads)
    ends = [len(MAGIC)]
    for payload in payloads:
        ends.append(ends[-1] + len(encode(payload)))
    for cut in range(len(whole) + 1):
        folder = tmp_path / str(cut)
        folder.mkdir()
        (folder / "0000000000000000.seg").write_bytes(whole[:cut])
        survivors = payloads[: sum(end <= cut for end in ends[1:])]
        log = SegmentLog(folder)
        assert contents(log) == survivors
        log.append([b"after the repair"])
        log.close()
        again = SegmentLog(folder)
        assert contents(again) == [*survivors, b"after the repair"]
        assert again.cut_bytes == 0
        again.close()


def test_a_torn_tail_is_set_aside_and_not_thrown_away(tmp_path: Path) -> None:
    written(tmp_path, [b"kept"])
    with last_segment(tmp_path).open("ab") as file:
        file.write(b"half an entr")
    log = SegmentLog(tmp_path)
    assert log.cut_bytes == 12
    assert [path.read_bytes() for path in tmp_path.glob("*.torn-*")] == [b"half an entr"]
    log.close()


@given(at=st.integers(0, 10_000), flip=st.integers(1, 255))
@settings(deadline=None, max_examples=80)
def test_a_changed_byte_is_never_read_as_an_entry(
    tmp_path_factory: pytest.TempPathFactory, at: int, flip: int
) -> None:
    folder = tmp_path_factory.mktemp("log")
    payloads = [b"one", b"two two", b"three three three"]
    written(folder, payloads)
    path = last_segment(folder)
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= flip
    path.write_bytes(data)
    log = SegmentLog(folder)
    survived = readable(log)
    assert set(survived.values()) <= set(payloads)
    # Each under its own number, and what comes after the changed one is there.
    assert all(payloads[number] == payload for number, payload in survived.items())
    hit = at % len(data)
    ends = [len(MAGIC) + sum(len(encode(one)) for one in payloads[: n + 1]) for n in range(3)]
    assert set(survived) == {
        number
        for number, end in enumerate(ends)
        if not end - len(encode(payloads[number])) <= hit < end
    }
    log.close()


def test_two_changed_entries_in_the_newest_segment_cost_those_two(tmp_path: Path) -> None:
    payloads = [b"zero", b"one", b"two", b"three"]
    written(tmp_path, payloads)
    path = last_segment(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"one", b"onf").replace(b"two", b"twp"))
    log = SegmentLog(tmp_path)
    assert (len(log), log.cut_bytes) == (4, 0)
    assert readable(log) == {0: b"zero", 3: b"three"}
    assert ["entry 1" in log.damage[0], "entry 2" in log.damage[1]] == [True, True]
    with pytest.raises(LogDamagedError, match="entry 1"):
        log.read(1)
    log.append([b"four"])
    assert log.read(4) == b"four"
    log.close()


def test_damage_in_an_old_segment_is_told_and_loses_only_that(tmp_path: Path) -> None:
    written(tmp_path, [b"one", b"two"], segment_bytes=1)
    first = sorted(tmp_path.glob("*.seg"))[0]
    first.write_bytes(first.read_bytes()[:-1])
    log = SegmentLog(tmp_path, segment_bytes=1)
    assert first.name in log.damage[0]
    with pytest.raises(LogDamagedError, match="entry 0"):
        log.read(0)
    log.append([b"three"])
    assert (log.read(1), log.read(2)) == (b"two", b"three")
    log.close()


def test_a_missing_segment_is_told_and_loses_only_that(tmp_path: Path) -> None:
    written(tmp_path, [b"one", b"two", b"three"], segment_bytes=1)
    sorted(tmp_path.glob("*.seg"))[1].unlink()
    log = SegmentLog(tmp_path, segment_bytes=1)
    assert "entries from 1 on are missing" in log.damage[0]
    assert (log.read(0), log.read(2), len(log)) == (b"one", b"three", 3)
    with pytest.raises(LogDamagedError, match="entry 1"):
        log.read(1)
    log.close()


def test_an_entry_changed_while_the_log_is_open_is_named(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path)
    log.append([b"before", b"after"])
    path = last_segment(tmp_path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert log.read(0) == b"before"
    with pytest.raises(LogDamagedError, match="entry 1"):
        log.read(1)
    log.close()


def test_a_refused_write_leaves_nothing(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path)
    log.append([b"kept"])
    with pytest.raises(ValueError, match="an entry has 1 to"):
        log.append([b"good", b""])
    assert contents(log) == [b"kept"]
    log.close()
