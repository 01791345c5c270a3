"""Sessions and their turns, in SQLite on the volume.

A turn follows from its decision record, so the log is the truth: what a killed gateway had logged
and not yet noted here is caught up at the next start.
"""

import asyncio
import json
import secrets
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from runtime.audit import DecisionLog, Record
from runtime.audit.log import number_of
from runtime.gateway.prompt import Turn
from runtime.groupcommit import GroupCommit

Found = TypeVar("Found")
Context = str | Mapping[str, Any]
_Statement = tuple[str, tuple[object, ...]]
_CATCH_UP_BATCH = 500

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY, created TEXT NOT NULL, player TEXT, context TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS turns (
    session TEXT NOT NULL, number INTEGER NOT NULL, decision TEXT NOT NULL,
    question TEXT NOT NULL, answer TEXT NOT NULL, idempotency_key TEXT,
    PRIMARY KEY (session, number)
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS turns_by_key
    ON turns (session, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE TABLE IF NOT EXISTS progress (one INTEGER PRIMARY KEY CHECK (one = 1), noted INTEGER);
INSERT OR IGNORE INTO progress VALUES (1, 0);
"""


@dataclass(frozen=True, slots=True)
class Session:
    """One play-through, as the game began it."""

    id: str
    created: str
    player: str | None
    context: Context | None
    turns: int = 0


class Sessions:
    """The store. Writes are grouped and durable before they return."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = _connect(path)
        self._writer.executescript(_SCHEMA)
        self._reader = _connect(path)
        self._reader.execute("PRAGMA query_only = ON")
        self._commit: GroupCommit[Sequence[_Statement], None] = GroupCommit("sessions", self._write)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sessions-read")

    async def create(self, player: str | None, context: Context | None) -> Session:
        """Begin a session."""
        session = Session(f"s-{secrets.token_hex(12)}", now(), player, context)
        text = None if context is None else json.dumps(context, ensure_ascii=False)
        await self._commit.submit(
            [
                (
                    "INSERT INTO sessions VALUES (?, ?, ?, ?)",
                    (session.id, session.created, player, text),
                )
            ]
        )
        return session

    async def get(self, session: str) -> Session | None:
        """The session of that id."""
        return await self._read(lambda db: _session(db, session))

    async def recent(self, session: str, count: int) -> list[Turn]:
        """Its last turns, oldest first."""

        def read(db: sqlite3.Connection) -> list[Turn]:
            rows = db.execute(
                "SELECT question, answer FROM turns WHERE session = ? ORDER BY number DESC LIMIT ?",
                (session, count),
            ).fetchall()
            return [Turn(*row) for row in reversed(rows)]

        return await self._read(read)

    async def decided(self, session: str, idempotency_key: str) -> str | None:
        """The decision that was made under that key."""

        def read(db: sqlite3.Connection) -> str | None:
            row = db.execute(
                "SELECT decision FROM turns WHERE session = ? AND idempotency_key = ?",
                (session, idempotency_key),
            ).fetchone()
            return row and str(row[0])

        return await self._read(read)

    async def decisions(self, session: str, limit: int) -> list[str]:
        """Ids of its decisions, newest first."""

        def read(db: sqlite3.Connection) -> list[str]:
            rows = db.execute(
                "SELECT decision FROM turns WHERE session = ? ORDER BY number DESC LIMIT ?",
                (session, limit),
            )
            return [str(row[0]) for row in rows]

        return await self._read(read)

    async def note(self, record: Record) -> None:
        """Note a logged decision as a turn of its session."""
        await self._commit.submit(_turn(record))

    async def catch_up(self, log: DecisionLog) -> int:
        """Note what the log has and this store has not; returns how many decisions."""
        noted = await self._read(
            lambda db: int(db.execute("SELECT noted FROM progress").fetchone()[0])
        )
        if noted > len(log):
            # The log lost its end, and its numbers will be given again: what was noted of that end
            # would stand in the way of new turns.
            noted = 0
            await self._commit.submit([("DELETE FROM turns WHERE number >= ?", (len(log),))])
        for first in range(noted, len(log), _CATCH_UP_BATCH):
            numbers = range(first, min(first + _CATCH_UP_BATCH, len(log)))
            records = await asyncio.to_thread(log.readable, numbers)
            await asyncio.gather(*(self.note(record) for record in records))
        # Also past damaged records, which no later start could note either.
        await self._commit.submit([("UPDATE progress SET noted = ?", (len(log),))])
        return max(0, len(log) - noted)

    async def close(self) -> None:
        """Write what is waiting and let go of the file."""
        await self._commit.close()
        self._thread.shutdown()
        self._reader.close()
        self._writer.close()

    async def _read(self, read: Callable[[sqlite3.Connection], Found]) -> Found:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, read, self._reader)

    def _write(self, batch: Sequence[Sequence[_Statement]]) -> list[None]:
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            for statements in batch:
                for sql, values in statements:
                    self._writer.execute(sql, values)
            self._writer.execute("COMMIT")
        except sqlite3.Error:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            raise
        return [None] * len(batch)


def now() -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _connect(path: Path) -> sqlite3.Connection:
    # Opened here and used by one thread each.
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA cache_size = -2048")
    return db


def _session(db: sqlite3.Connection, session: str) -> Session | None:
    row = db.execute(
        "SELECT id, created, player, context, "
        "(SELECT count(*) FROM turns WHERE session = sessions.id) FROM sessions WHERE id = ?",
        (session,),
    ).fetchone()
    if row is None:
        return None
    return Session(row[0], row[1], row[2], None if row[3] is None else json.loads(row[3]), row[4])


def _turn(record: Record) -> list[_Statement]:
    number = number_of(record.id)
    return [
        (
            "INSERT OR IGNORE INTO turns VALUES (?, ?, ?, ?, ?, ?)",
            (
                record.session,
                number,
                record.id,
                record.question,
                record.result.decision,
                record.idempotency_key,
            ),
        ),
        # The log's batches may be noted out of order: only an unbroken beginning counts.
        ("UPDATE progress SET noted = ? WHERE noted = ?", (number + 1, number)),
    ]
