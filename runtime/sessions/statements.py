"""What the embedded store says to SQLite: each function is one question or one change, inside the
transaction of whoever calls it."""

import json
import sqlite3
from collections.abc import Mapping, Sequence

from runtime.audit import Record
from runtime.audit.log import number_of
from runtime.sessions.chapters import tokens_of
from runtime.sessions.standing import Standing
from runtime.sessions.store import (
    FACTS,
    MAX_FACTS,
    PART_SECONDS,
    TAIL,
    TOMBSTONE_SECONDS,
    Fact,
    FactsFullError,
    MetricsFullError,
    Session,
    SessionDeletedError,
    Summary,
    Turn,
    TurnLostError,
    UnknownFactError,
    UnknownSessionError,
    fact_of,
)
from runtime.sessions.tally import MAX_METRICS, Mark, Tally, names

#: Raised before anything is written.
REFUSALS = (
    UnknownSessionError,
    SessionDeletedError,
    UnknownFactError,
    FactsFullError,
    MetricsFullError,
)
_SESSION = (
    "SELECT id, created, player, context, "
    "(SELECT coalesce(max(number), 0) FROM turn WHERE session = session.id), "
    "chapter, first_turn, told_by, summary, summary_through, arm FROM session"
)


def create(db: sqlite3.Connection, made: Session, at: float) -> None:
    """Write a new session down."""
    context = None if made.context is None else json.dumps(made.context, ensure_ascii=False)
    db.execute(
        "INSERT INTO session (id, created, touched, player, context, arm) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (made.id, made.created, at, made.player, context, made.arm),
    )


def session(db: sqlite3.Connection, wanted: str, since: float) -> Session:
    """The session, if it was written after ``since``.

    Raises:
        UnknownSessionError, SessionDeletedError
    """
    row = db.execute(f"{_SESSION} WHERE id = ? AND touched >= ?", (wanted, since)).fetchone()
    if row is not None:
        return _session(row)
    gone = db.execute("SELECT 1 FROM gone WHERE session = ?", (wanted,)).fetchone()
    raise UnknownSessionError(wanted) if gone is None else SessionDeletedError(wanted)


def standing(db: sqlite3.Connection, wanted: str, since: float) -> Standing:
    """The session as it stands, if it was written after ``since``.

    Raises:
        UnknownSessionError, SessionDeletedError
    """
    found = session(db, wanted, since)
    told = tuple(turns(db, wanted, found.first_turn))
    touched = db.execute("SELECT touched FROM session WHERE id = ?", (wanted,)).fetchone()
    keys = db.execute(
        "SELECT idempotency_key, decision FROM turn "
        "WHERE session = ? AND idempotency_key IS NOT NULL",
        (wanted,),
    )
    return Standing(
        found,
        told,
        tuple(facts(db, wanted)),
        {str(key): str(decision) for key, decision in keys},
        float(touched[0]),
        tokens_of(told),
    )


def by_player(db: sqlite3.Connection, player: str, since: float, limit: int) -> list[Session]:
    """The sessions of a player, newest first."""
    rows = db.execute(
        f"{_SESSION} WHERE player = ? AND touched >= ? ORDER BY created DESC LIMIT ?",
        (player, since, limit),
    )
    return [_session(row) for row in rows]


def turns(db: sqlite3.Connection, wanted: str, first: int) -> list[Turn]:
    """Its last turns from ``first`` on, oldest first."""
    rows = db.execute(
        "SELECT number, question, answer FROM turn WHERE session = ? AND number >= ? "
        "ORDER BY number DESC LIMIT ?",
        (wanted, first, TAIL),
    ).fetchall()
    return [Turn(*row) for row in reversed(rows)]


def decisions(db: sqlite3.Connection, wanted: str, limit: int) -> list[str]:
    """Ids of its decisions, newest first."""
    rows = db.execute(
        "SELECT decision FROM turn WHERE session = ? ORDER BY number DESC LIMIT ?", (wanted, limit)
    )
    return [str(row[0]) for row in rows]


def note(db: sqlite3.Connection, record: Record, at: float) -> Exception | None:
    """Note a logged decision as a turn. Returns what stands in its way for good, if anything does:
    the log has been read up to here all the same."""
    wanted = record.session
    fault = None if wanted is None else _take_place(db, wanted, record, at)
    entry = number_of(record.id)
    # The log's batches may be noted out of order: only an unbroken beginning counts.
    db.execute("UPDATE progress SET noted = ? WHERE noted = ?", (entry + 1, entry))
    return fault


def note_each(
    records: Sequence[Record], at: float, db: sqlite3.Connection
) -> list[Exception | None]:
    """Note logged decisions in order; what stands in the way of each."""
    return [note(db, record, at) for record in records]


def noted(db: sqlite3.Connection) -> int:
    """How many records of the log have been noted without a gap."""
    return int(db.execute("SELECT noted FROM progress").fetchone()[0])


def note_all(records: Sequence[Record], count: int, at: float, db: sqlite3.Connection) -> None:
    """Note these records, and that the first ``count`` entries of the log have been noted."""
    for record in records:
        if record.session is not None:
            _take_place(db, record.session, record, at)
    set_noted(count, db)


def set_noted(count: int, db: sqlite3.Connection) -> None:
    """Say that the first ``count`` entries of the log have been noted."""
    db.execute("UPDATE progress SET noted = max(noted, ?)", (count,))


def cut(db: sqlite3.Connection, entries: int) -> None:
    """Forget the turns of records from ``entries`` on."""
    db.execute("DELETE FROM turn WHERE entry >= ?", (entries,))
    db.execute("UPDATE progress SET noted = 0")


def summarise(db: sqlite3.Connection, wanted: str, summary: Summary) -> None:
    """Keep the summary that reaches furthest."""
    db.execute(
        "UPDATE session SET summary = ?, summary_through = ? WHERE id = ? AND summary_through < ?",
        (summary.text, summary.through, wanted, summary.through),
    )


def facts(db: sqlite3.Connection, wanted: str) -> list[Fact]:
    """Its facts, in order."""
    rows = db.execute("SELECT id, text FROM fact WHERE session = ? ORDER BY pinned, id", (wanted,))
    return [Fact(*row) for row in rows]


def pin(db: sqlite3.Connection, wanted: str, text: str, at: float) -> Fact:
    """Add a fact.

    Raises:
        FactsFullError
    """
    fact = fact_of(text)
    known = facts(db, wanted)
    if fact not in known:
        characters = sum(len(each.text) for each in known) + len(text)
        if len(known) >= MAX_FACTS or characters > FACTS:
            raise FactsFullError(wanted)
        db.execute("INSERT INTO fact VALUES (?, ?, ?, ?)", (wanted, fact.id, at, text))
    _touch(db, wanted, at)
    return fact


def unpin(db: sqlite3.Connection, wanted: str, fact: str, at: float) -> None:
    """Remove a fact.

    Raises:
        UnknownFactError
    """
    if db.execute("DELETE FROM fact WHERE session = ? AND id = ?", (wanted, fact)).rowcount == 0:
        raise UnknownFactError(fact)
    _touch(db, wanted, at)


def metrics(db: sqlite3.Connection, wanted: str) -> dict[str, float]:
    """What the game has posted of it."""
    row = db.execute("SELECT metrics FROM session WHERE id = ?", (wanted,)).fetchone()
    return dict(json.loads(row[0])) if row and row[0] else {}


def post(db: sqlite3.Connection, wanted: str, posted: Mapping[str, float]) -> None:
    """Keep what a game measured.

    Raises:
        MetricsFullError
    """
    known = {**metrics(db, wanted), **posted}
    if len(names(known)) > MAX_METRICS:
        raise MetricsFullError(wanted)
    db.execute("UPDATE session SET metrics = ? WHERE id = ?", (json.dumps(known), wanted))


def tally(db: sqlite3.Connection, wanted: str) -> Tally:
    """The marks of its turns, and what was measured of it."""
    rows = db.execute(
        "SELECT mark FROM turn WHERE session = ? AND mark IS NOT NULL ORDER BY number", (wanted,)
    )
    return Tally(tuple(Mark.read(row[0]) for row in rows), metrics(db, wanted))


def enrol(db: sqlite3.Connection, player: str, rollout: str, wanted: str, at: float) -> bool:
    """Note the session with which a player, by digest, has part in an experiment; whether it is
    this one."""
    db.execute("INSERT OR IGNORE INTO part VALUES (?, ?, ?, ?)", (player, rollout, wanted, at))
    found = db.execute(
        "SELECT session FROM part WHERE player = ? AND rollout = ?", (player, rollout)
    )
    return bool(found.fetchone()[0] == wanted)


def parts(db: sqlite3.Connection, wanted: str) -> tuple[str, ...]:
    """The experiments that its player has part in with this session."""
    rows = db.execute("SELECT rollout FROM part WHERE session = ?", (wanted,))
    return tuple(str(row[0]) for row in rows)


def forget_parts(db: sqlite3.Connection, player: str) -> None:
    """Forget which experiments a player, by digest, has part in."""
    db.execute("DELETE FROM part WHERE player = ?", (player,))


def delete(db: sqlite3.Connection, wanted: str, at: float) -> None:
    """Forget a session, and remember for a while that it was deleted."""
    _forget(db, wanted)
    db.execute("INSERT OR REPLACE INTO gone VALUES (?, ?)", (wanted, at))


def expired(db: sqlite3.Connection, since: float) -> tuple[int, int]:
    """How many sessions were last written before ``since``, and how many there are."""
    found = db.execute(
        "SELECT count(*) FILTER (WHERE touched < ?), count(*) FROM session", (since,)
    )
    old, every = found.fetchone()
    return int(old), int(every)


def sweep(db: sqlite3.Connection, since: float, at: float, limit: int) -> int:
    """Forget sessions last written before ``since``; returns how many, at most ``limit``."""
    rows = db.execute("SELECT id FROM session WHERE touched < ? LIMIT ?", (since, limit)).fetchall()
    for (expired,) in rows:
        _forget(db, expired)
    db.execute("DELETE FROM gone WHERE at < ?", (at - TOMBSTONE_SECONDS,))
    db.execute("DELETE FROM part WHERE at < ?", (at - PART_SECONDS,))
    return len(rows)


def _take_place(db: sqlite3.Connection, wanted: str, record: Record, at: float) -> Exception | None:
    key = record.idempotency_key
    if db.execute("SELECT 1 FROM session WHERE id = ?", (wanted,)).fetchone() is None:
        gone = db.execute("SELECT 1 FROM gone WHERE session = ?", (wanted,)).fetchone()
        return UnknownSessionError(wanted) if gone is None else SessionDeletedError(wanted)
    last = db.execute("SELECT coalesce(max(number), 0) FROM turn WHERE session = ?", (wanted,))
    last_turn = int(last.fetchone()[0])
    place = record.place
    number = place.turn if place else last_turn + 1
    rivals = db.execute(
        "SELECT decision FROM turn WHERE session = ? AND "
        "(number = ? OR idempotency_key = ? OR decision = ?)",
        (wanted, number, key, record.id),
    ).fetchall()
    if rivals:
        mine = any(decision == record.id for (decision,) in rivals)
        return None if mine else TurnLostError(wanted)
    mark = Mark.of(record)
    db.execute(
        "INSERT INTO turn VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            wanted,
            number,
            number_of(record.id),
            record.id,
            record.question,
            record.result.decision,
            key,
            mark.text if mark else None,
        ),
    )
    if place and number > last_turn:
        db.execute(
            "UPDATE session SET chapter = ?, first_turn = ?, told_by = ? WHERE id = ?",
            (place.chapter, place.first_turn, place.cast, wanted),
        )
    _touch(db, wanted, at)
    return None


def _touch(db: sqlite3.Connection, wanted: str, at: float) -> None:
    db.execute("UPDATE session SET touched = ? WHERE id = ?", (at, wanted))


def _forget(db: sqlite3.Connection, wanted: str) -> None:
    db.execute("DELETE FROM turn WHERE session = ?", (wanted,))
    db.execute("DELETE FROM fact WHERE session = ?", (wanted,))
    db.execute("DELETE FROM session WHERE id = ?", (wanted,))


def _session(row: tuple[object, ...]) -> Session:
    made, created, player, context, count, chapter, first, cast, summary, through, arm = row
    last = int(str(count))
    return Session(
        id=str(made),
        created=str(created),
        player=None if player is None else str(player),
        context=None if context is None else json.loads(str(context)),
        turns=last,
        chapter=int(str(chapter)),
        first_turn=int(str(first)),
        cast=None if cast is None else str(cast),
        summary=None if summary is None else Summary(str(summary), int(str(through))),
        arm=None if arm is None else str(arm),
    )
