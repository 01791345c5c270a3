"""The tables of ``sessions.db``, and what became of those of its first version."""

import sqlite3
import time

from runtime.sqlite import transaction

_TABLES = """
CREATE TABLE IF NOT EXISTS session (
    id TEXT PRIMARY KEY, created TEXT NOT NULL, touched REAL NOT NULL, player TEXT, context TEXT,
    chapter INTEGER NOT NULL DEFAULT 1, first_turn INTEGER NOT NULL DEFAULT 1, told_by TEXT,
    summary TEXT, summary_through INTEGER NOT NULL DEFAULT 0, arm TEXT, metrics TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS session_by_player
    ON session (player, created) WHERE player IS NOT NULL;
CREATE INDEX IF NOT EXISTS session_by_touch ON session (touched);
CREATE TABLE IF NOT EXISTS turn (
    session TEXT NOT NULL, number INTEGER NOT NULL, entry INTEGER NOT NULL, decision TEXT NOT NULL,
    question TEXT NOT NULL, answer TEXT NOT NULL, idempotency_key TEXT, mark TEXT,
    PRIMARY KEY (session, number)
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS turn_by_key
    ON turn (session, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS turn_by_entry ON turn (entry);
CREATE TABLE IF NOT EXISTS fact (
    session TEXT NOT NULL, id TEXT NOT NULL, pinned REAL NOT NULL, text TEXT NOT NULL,
    PRIMARY KEY (session, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS gone (session TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS part (
    player TEXT NOT NULL, rollout TEXT NOT NULL, session TEXT NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (player, rollout)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS part_by_session ON part (session);
CREATE TABLE IF NOT EXISTS progress (one INTEGER PRIMARY KEY CHECK (one = 1), noted INTEGER);
INSERT OR IGNORE INTO progress VALUES (1, 0);
"""


def prepare(db: sqlite3.Connection) -> None:
    """Make the tables, or add what they lack. Sessions of the first version, whose turns had the
    numbers of the log, are taken along."""
    db.executescript(_TABLES)
    for table, column in (("session", "arm"), ("session", "metrics"), ("turn", "mark")):
        if column not in {row[1] for row in db.execute(f"PRAGMA table_info({table})")}:
            db.execute(f"ALTER TABLE {table} ADD COLUMN {column} TEXT")
    old = db.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'sessions'")
    if old.fetchone() is None:
        return
    with transaction(db):
        _take_along(db)


def _take_along(db: sqlite3.Connection) -> None:
    db.execute(
        "INSERT OR IGNORE INTO session (id, created, touched, player, context) "
        "SELECT id, created, ?, player, context FROM sessions",
        (time.time(),),
    )
    db.execute(
        "INSERT OR IGNORE INTO turn "
        "(session, number, entry, decision, question, answer, idempotency_key) SELECT session, "
        "row_number() OVER (PARTITION BY session ORDER BY number), "
        "number, decision, question, answer, idempotency_key FROM turns"
    )
    db.execute("DROP TABLE sessions")
    db.execute("DROP TABLE turns")
