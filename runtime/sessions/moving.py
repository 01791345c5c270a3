"""Sessions that were begun on the volume, into the shared store, when a World names one later."""

import sqlite3
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from runtime.audit import DecisionLog
from runtime.sessions import statements as sql
from runtime.sessions.sqlite import SqliteSessions
from runtime.sessions.store import Fact, Session, Turn

_BATCH = 100


@dataclass(frozen=True, slots=True)
class Told:
    """A turn and what finds it."""

    turn: Turn
    decision: str
    key: str | None
    mark: str | None


@dataclass(frozen=True, slots=True)
class Whole:
    """All of a session."""

    session: Session
    turns: tuple[Told, ...]
    facts: tuple[Fact, ...]
    #: Seconds until it expires.
    left: float
    #: What the game has posted of it.
    metrics: Mapping[str, float] = field(default_factory=dict)
    #: Experiments that its player has part in with it.
    parts: tuple[str, ...] = ()


async def wholes(
    path: Path, log: DecisionLog, lifetime: Callable[[], float], now: Callable[[], float]
) -> AsyncGenerator[Whole, None]:
    """Every session of an embedded store that has not expired, turns that it had not yet noted
    included."""
    store = SqliteSessions(path, lifetime)
    try:
        await store.catch_up(log)
        last = ""
        while batch := await store.read(partial(_batch, last, now() - lifetime())):
            for whole in batch:
                yield whole
            last = batch[-1].session.id
    finally:
        await store.close()


def remove(path: Path) -> None:
    """Delete the file: nobody would forget a player in it any more."""
    for each in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
        each.unlink(missing_ok=True)


def _batch(after: str, since: float, db: sqlite3.Connection) -> list[Whole]:
    rows = db.execute(
        "SELECT id, touched FROM session WHERE id > ? AND touched >= ? ORDER BY id LIMIT ?",
        (after, since, _BATCH),
    ).fetchall()
    return [
        Whole(
            sql.session(db, found, since),
            tuple(_told(db, found)),
            tuple(sql.facts(db, found)),
            max(1.0, touched - since),
            sql.metrics(db, found),
            sql.parts(db, found),
        )
        for found, touched in rows
    ]


def _told(db: sqlite3.Connection, session: str) -> list[Told]:
    rows = db.execute(
        "SELECT number, question, answer, decision, idempotency_key, mark FROM turn "
        "WHERE session = ? ORDER BY number",
        (session,),
    )
    return [Told(Turn(*row[:3]), *row[3:]) for row in rows]
