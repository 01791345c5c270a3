"""Finding decisions: an index beside the log, made from it and from nothing else. It may be deleted
and is made again; it forgets who was erased."""

import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime.audit.kinds import ErasureEntry, RetentionEntry, Stored
from runtime.audit.record import Record
from runtime.sqlite import transaction

#: Raise it when what is indexed changes: an older index is then made again.
_VERSION = 2
_SCHEMA = """
CREATE TABLE IF NOT EXISTS decisions (
    number INTEGER PRIMARY KEY, time TEXT NOT NULL, session TEXT, player TEXT,
    outcome TEXT NOT NULL, key TEXT
);
CREATE INDEX IF NOT EXISTS decisions_by_player ON decisions (player, number);
CREATE INDEX IF NOT EXISTS decisions_by_session ON decisions (session, number);
CREATE INDEX IF NOT EXISTS decisions_by_time ON decisions (time, number);
CREATE INDEX IF NOT EXISTS decisions_by_key ON decisions (key);
CREATE TABLE IF NOT EXISTS members (
    number INTEGER NOT NULL, member TEXT NOT NULL, model TEXT NOT NULL,
    PRIMARY KEY (number, member)
) WITHOUT ROWID;
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (told, tokenize = 'unicode61');
CREATE TABLE IF NOT EXISTS progress (one INTEGER PRIMARY KEY CHECK (one = 1), indexed INTEGER);
INSERT OR IGNORE INTO progress VALUES (1, 0);
"""


#: Each table, and its column with the number of the decision.
_TABLES = (("words", "rowid"), ("members", "number"), ("decisions", "number"))


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for; everything that is set must hold."""

    text: str | None = None
    player: str | None = None
    member: str | None = None
    model: str | None = None
    session: str | None = None
    outcome: str | None = None
    #: RFC 3339 in UTC, or the beginning of it: from then on, and before then.
    since: str | None = None
    until: str | None = None
    limit: int = 20


class Index:
    """The index of one log. Safe between threads."""

    def __init__(self, path: Path | None) -> None:
        """Open it, or start it; None: in memory.

        Raises:
            sqlite3.Error: the volume refused.
        """
        self._lock = threading.Lock()
        name = ":memory:" if path is None else str(path)
        if path is not None:
            path.touch(mode=0o600)
        self._db = sqlite3.connect(name, isolation_level=None, check_same_thread=False, timeout=10)
        # No write-ahead log, which would keep erased words until it is overwritten.
        self._db.execute("PRAGMA journal_mode = DELETE")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA secure_delete = ON")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version != _VERSION:
            for table in ("decisions", "members", "words", "progress"):
                self._db.execute(f"DROP TABLE IF EXISTS {table}")
            self._db.execute(f"PRAGMA user_version = {_VERSION}")
        self._db.executescript(_SCHEMA)

    @property
    def indexed(self) -> int:
        """Entries before this number are indexed."""
        with self._lock:
            (count,) = self._db.execute("SELECT indexed FROM progress").fetchone()
        return int(count)

    def add(self, entries: Sequence[Stored], upto: int) -> None:
        """Take up entries in the order of the log.

        Args:
            entries: what can be read of them.
            upto: the number after the last one, readable or not.

        Raises:
            sqlite3.Error: the volume refused; nothing was taken up.
        """
        erased = [each.entry.key for each in entries if isinstance(each.entry, ErasureEntry)]
        removed = [each.entry.before for each in entries if isinstance(each.entry, RetentionEntry)]
        with self._lock, transaction(self._db):
            for stored in entries:
                if isinstance(stored.entry, Record):
                    self._add(stored.number, stored.entry, stored.key)
            for key in erased:
                self._forget(key)
            for before in removed:
                self._remove_before(before)
            self._db.execute("UPDATE progress SET indexed = ?", (upto,))
        if erased or removed:
            self._wipe()

    def forget(self, key: str) -> None:
        """Drop everything that is sealed under that key.

        Raises:
            sqlite3.Error: the volume refused; nothing was dropped.
        """
        with self._lock, transaction(self._db):
            self._forget(key)
        self._wipe()

    def restart(self) -> None:
        """Forget everything: the log is not the one that was indexed."""
        with self._lock:
            for table, _ in _TABLES:
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608
            self._db.execute("UPDATE progress SET indexed = 0")

    def find(self, query: Query) -> list[int]:
        """Numbers of the decisions that match, newest first."""
        conditions, values = _conditions(query)
        sql = "SELECT number FROM decisions"
        if conditions:
            sql += " WHERE " + " AND ".join(conditions)
        with self._lock:
            rows = self._db.execute(
                f"{sql} ORDER BY number DESC LIMIT ?", (*values, query.limit)
            ).fetchall()
        return [int(number) for (number,) in rows]

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    def _wipe(self) -> None:
        """Deleted words stay in the segments of the index until these are merged."""
        with self._lock:
            self._db.execute("INSERT INTO words (words) VALUES ('optimize')")

    def _add(self, number: int, record: Record, key: str | None) -> None:
        if record.erased:
            return
        self._db.execute(
            "INSERT OR REPLACE INTO decisions VALUES (?, ?, ?, ?, ?, ?)",
            (number, record.time, record.session, record.player, record.result.outcome, key),
        )
        self._db.executemany(
            "INSERT OR REPLACE INTO members VALUES (?, ?, ?)",
            [(number, each.member, each.model) for each in record.candidates],
        )
        self._db.execute("DELETE FROM words WHERE rowid = ?", (number,))
        self._db.execute("INSERT INTO words (rowid, told) VALUES (?, ?)", (number, _words(record)))

    def _forget(self, key: str) -> None:
        numbers = self._db.execute("SELECT number FROM decisions WHERE key = ?", (key,)).fetchall()
        for table, column in _TABLES:
            self._db.executemany(f"DELETE FROM {table} WHERE {column} = ?", numbers)  # noqa: S608

    def _remove_before(self, number: int) -> None:
        for table, column in _TABLES:
            self._db.execute(f"DELETE FROM {table} WHERE {column} < ?", (number,))  # noqa: S608


def _words(record: Record) -> str:
    """Everything of a decision that one may look for."""
    context = record.context if isinstance(record.context, str) else _leaves(record.context)
    parts = [record.question, *(record.options or ()), context, record.result.decision]
    parts += [each.answer or each.partial or "" for each in record.candidates]
    return "\n".join(dict.fromkeys(part for part in parts if part))


def _leaves(value: object) -> str:
    match value:
        case dict():
            return " ".join(f"{name} {_leaves(inner)}" for name, inner in value.items())
        case list():
            return " ".join(map(_leaves, value))
        case None:
            return ""
        case _:
            return str(value)


def _conditions(query: Query) -> tuple[list[str], list[object]]:
    conditions: list[str] = []
    values: list[object] = []

    def add(condition: str, value: object) -> None:
        if value is not None:
            conditions.append(condition)
            values.append(value)

    add("player = ?", query.player)
    add("session = ?", query.session)
    add("outcome = ?", query.outcome)
    add("time >= ?", query.since)
    add("time < ?", query.until)
    member = "number IN (SELECT number FROM members WHERE {} = ?)"
    add(member.format("member"), query.member)
    add(member.format("model"), query.model)
    if query.text is not None:
        # Each word in quotes, so that nothing in it is taken for the syntax of a query.
        wanted = " ".join('"' + word.replace('"', '""') + '"' for word in query.text.split())
        add("number IN (SELECT rowid FROM words WHERE words MATCH ?)", wanted)
    return conditions, values
