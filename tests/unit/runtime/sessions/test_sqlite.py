"""What only the embedded store has: a file of its first version."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.audit import DecisionLog, OutcomeEntry
from runtime.sessions import Claim, Decided, Summary, TurnUnderWayError
from runtime.sessions.sqlite import SqliteSessions
from tests.unit.runtime.sessions.conftest import Lifetime
from tests.unit.runtime.sessions.records import of, record
from tests.unit.runtime.stubs.waiting import eventually

FIRST_VERSION = """
CREATE TABLE sessions (
    id TEXT PRIMARY KEY, created TEXT NOT NULL, player TEXT, context TEXT
) WITHOUT ROWID;
CREATE TABLE turns (
    session TEXT NOT NULL, number INTEGER NOT NULL, decision TEXT NOT NULL,
    question TEXT NOT NULL, answer TEXT NOT NULL, idempotency_key TEXT,
    PRIMARY KEY (session, number)
) WITHOUT ROWID;
CREATE TABLE progress (one INTEGER PRIMARY KEY CHECK (one = 1), noted INTEGER);
INSERT INTO progress VALUES (1, 0);
INSERT INTO sessions VALUES ('s-1', '2026-11-23T00:00:00.000Z', 'Mara', '{"a": 1}');
INSERT INTO turns VALUES ('s-1', 3, 'd-3-00000000', 'One?', 'yes', 'k1');
INSERT INTO turns VALUES ('s-1', 9, 'd-9-00000000', 'Two?', 'no', NULL);
"""


async def test_sessions_of_the_first_version_go_on(
    tmp_path: Path, lifetime: Lifetime, decisions: DecisionLog
) -> None:
    path = tmp_path / "sessions.db"
    db = sqlite3.connect(path)
    db.executescript(FIRST_VERSION)
    db.close()
    for _ in range(2):
        store = SqliteSessions(path, lifetime)
        found = await store.get("s-1")
        assert (found.player, found.context, found.turns) == ("Mara", {"a": 1}, 2)
        assert await store.begin("s-1", "k1", 1) == Decided("d-3-00000000")
        claim = await store.begin("s-1", "k3", 1)
        assert isinstance(claim, Claim)
        assert [turn.question for turn in claim.turns] == ["One?", "Two?"]
        await store.close()


async def test_a_claim_ends_with_its_process(tmp_path: Path, lifetime: Lifetime) -> None:
    path = tmp_path / "sessions.db"
    store = SqliteSessions(path, lifetime)
    session = (await store.create(None, None)).id
    assert isinstance(await store.begin(session, "k", 3600), Claim)
    try:
        await store.begin(session, "k", 1)
    except TurnUnderWayError:
        pass
    else:
        raise AssertionError("two turns at a time")
    await store.close()
    store = SqliteSessions(path, lifetime)
    assert isinstance(await store.begin(session, "k", 1), Claim)
    await store.close()


def bytes_in(folder: Path) -> bytes:
    """Everything that the store has on the disk."""
    return b"".join(path.read_bytes() for path in folder.glob("sessions.db*"))


async def test_no_byte_of_a_deleted_session_stays_on_the_volume(
    tmp_path: Path, lifetime: Lifetime
) -> None:
    store = SqliteSessions(tmp_path / "sessions.db", lifetime)
    session = (await store.create("Mara", "Ash falls like snow.")).id
    claim = await store.begin(session, "k1", 1)
    assert isinstance(claim, Claim)
    await store.finish(claim, of(claim, answer="Ring the bell"))
    await store.pin(session, "The bell is cracked.")
    await store.summarise(session, Summary("The bell rang.", 1))
    await store.delete(session)
    kept = bytes_in(tmp_path)
    told = (b"Mara", b"Ash falls", b"Question 1", b"Ring the bell", b"cracked", b"The bell rang")
    assert [words for words in told if words in kept] == []
    await store.close()


async def test_a_start_after_many_decisions_is_quick_whatever_lies_between_them(
    tmp_path: Path, lifetime: Lifetime, decisions: DecisionLog
) -> None:
    store = SqliteSessions(tmp_path / "sessions.db", lifetime)
    await store.catch_up(decisions)
    session = (await store.create(None, None)).id
    for turn in range(1, 4):
        made = await decisions.append(record(session, turn).model_copy(update={"id": ""}))
        claim = await store.begin(session, None, 1)
        assert isinstance(claim, Claim)
        await store.finish(claim, made)
        await decisions.post(
            OutcomeEntry(time=made.time, decision=made.id, source="rule", score="1")
        )
        await decisions.append(made.model_copy(update={"session": None, "place": None}))
    for _ in range(2):
        await store.sweep()
    await store.close()
    store = SqliteSessions(tmp_path / "sessions.db", lifetime)
    assert await store.catch_up(decisions) == 0
    await store.close()
    store = SqliteSessions(tmp_path / "another.db", lifetime)
    assert await store.catch_up(decisions) == 9
    await store.close()


async def test_a_sweep_asks_before_it_forgets_anything(tmp_path: Path, lifetime: Lifetime) -> None:
    store = SqliteSessions(tmp_path / "sessions.db", lifetime)
    old = [(await store.create(None, None)).id for _ in range(3)]
    asked: list[tuple[int, int]] = []

    def no(forgotten: int, of: int) -> bool:
        asked.append((forgotten, of))
        return False

    assert await store.sweep(no) == 0
    seconds, lifetime.seconds = lifetime.seconds, -1.0
    assert await store.sweep(no) == 0
    assert asked == [(0, 3), (3, 3)]
    lifetime.seconds = seconds
    assert (await store.get(old[0])).id == old[0], "it was kept"


async def test_a_file_from_before_arms_gets_them(tmp_path: Path, lifetime: Lifetime) -> None:
    path = tmp_path / "sessions.db"
    store = SqliteSessions(path, lifetime)
    old = await store.create("Mara", None)
    await store.close()
    db = sqlite3.connect(path)
    db.execute("ALTER TABLE session DROP COLUMN arm")
    db.close()
    store = SqliteSessions(path, lifetime)
    assert await store.get(old.id) == old
    assert (await store.create(None, None, lambda made: (made, "s:Rest"))).arm == "s:Rest"
    await store.close()


async def test_who_reads_slowly_does_not_undo_a_turn_that_was_told_meanwhile(
    tmp_path: Path, lifetime: Lifetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteSessions(tmp_path / "sessions.db", lifetime)
    session = (await store.create(None, None)).id
    may_return, read = asyncio.Event(), store.read

    async def slowly(look: Callable[[sqlite3.Connection], Any]) -> Any:
        found = await read(look)
        await may_return.wait()
        return found

    monkeypatch.setattr(store, "read", slowly)
    late = asyncio.create_task(store.begin(session, None, 6))
    await eventually(lambda: session in store._claims)
    monkeypatch.setattr(store, "read", read)
    store._let_go(session, store._claims[session][0])  # as if its time were over
    claim = await store.begin(session, None, 6)
    assert isinstance(claim, Claim)
    await store.finish(claim, of(claim))
    may_return.set()
    second = await late
    assert isinstance(second, Claim)
    assert second.number == 2
    await store.close()


async def test_the_next_start_reads_no_more_for_turns_that_are_owed_lately(
    tmp_path: Path, lifetime: Lifetime, decisions: DecisionLog
) -> None:
    store = SqliteSessions(tmp_path / "sessions.db", lifetime)
    await store.catch_up(decisions)
    session = (await store.create(None, None)).id
    for _ in range(3):
        claim = await store.begin(session, None, 6)
        assert isinstance(claim, Claim)
        record = await decisions.append(of(claim))
        await store.finish(claim, record)
    assert not store._owed.reaches_before(0)
    assert store._owed.reaches_before(1)
    await store.close()
