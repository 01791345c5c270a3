"""What a gateway learned of its members, kept beside the log and made from it alone.

How far it is, what it counted, and what each outcome was taken to say change in one transaction: a
kill neither loses a lesson nor counts one twice. The file may be deleted and is made again.
"""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from runtime.audit.entry import number_of
from runtime.audit.kinds import OutcomeEntry, RetentionEntry, Stored
from runtime.audit.lessons import heard, truth
from runtime.audit.record import Record
from runtime.consensus.evidence import DEFAULT_TASK, Evidence
from runtime.sqlite import transaction

#: Raise it when lessons are counted in another way: they are then learned anew.
_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS progress (
    one INTEGER PRIMARY KEY CHECK (one = 1), taken INTEGER NOT NULL, evidence TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS lessons (
    number INTEGER PRIMARY KEY, task TEXT NOT NULL, truth TEXT NOT NULL
);
"""

#: The decision of a number; None if it cannot be read any more.
Find = Callable[[int], Record | None]


class Notebook:
    """What was learned from one log. Safe between threads."""

    def __init__(self, path: Path | None) -> None:
        """Open it, or start it; None: in memory.

        Raises:
            sqlite3.Error: the volume refused.
            EvidenceUnreadableError: what it counted cannot be read.
        """
        self._lock = threading.Lock()
        name = ":memory:" if path is None else str(path)
        if path is not None:
            path.touch(mode=0o600)
        self._db = sqlite3.connect(name, isolation_level=None, check_same_thread=False, timeout=10)
        try:
            self._db.execute("PRAGMA synchronous = NORMAL")
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version != _VERSION:
                for table in ("progress", "lessons"):
                    self._db.execute(f"DROP TABLE IF EXISTS {table}")
                self._db.execute(f"PRAGMA user_version = {_VERSION}")
            self._db.executescript(_SCHEMA)
            row = self._db.execute("SELECT taken, evidence FROM progress").fetchone()
            self._taken = int(row[0]) if row else 0
            self._evidence = Evidence.load(row[1]) if row else Evidence()
        except BaseException:
            self._db.close()
            raise

    @property
    def taken(self) -> int:
        """Entries before this number were learned from."""
        return self._taken

    @property
    def evidence(self) -> Evidence:
        """What was learned. It is replaced when there is more, and never changed."""
        return self._evidence

    def add(self, entries: Sequence[Stored], upto: int, find: Find) -> None:
        """Learn from entries in the order of the log.

        Args:
            entries: what can be read of them.
            upto: the number after the last one, readable or not.
            find: reads the decisions that outcomes speak of.

        Raises:
            sqlite3.Error: the volume refused; nothing was learned.
        """
        evidence = self._evidence.copy()
        with self._lock, transaction(self._db):
            for stored in entries:
                match stored.entry:
                    case Record() as record:
                        self._hear(evidence, record)
                    case OutcomeEntry() as outcome:
                        self._judge(evidence, stored.number, outcome, find)
                    case RetentionEntry() as removal:
                        self._db.execute("DELETE FROM lessons WHERE number < ?", (removal.before,))
            self._save(evidence, upto)
        self._taken, self._evidence = upto, evidence

    def forget(self, today: int) -> None:
        """Drop what is too old to count.

        Args:
            today: in days since 1970-01-01.

        Raises:
            sqlite3.Error: the volume refused; nothing was dropped.
        """
        evidence = self._evidence.copy()
        evidence.forget(today)
        with self._lock, transaction(self._db):
            self._save(evidence, self._taken)
        self._evidence = evidence

    def restart(self) -> None:
        """Forget everything: the log is not the one that was learned from.

        Raises:
            sqlite3.Error: the volume refused.
        """
        with self._lock, transaction(self._db):
            self._db.execute("DELETE FROM lessons")
            self._save(Evidence(), 0)
        self._taken, self._evidence = 0, Evidence()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    def _hear(self, evidence: Evidence, record: Record) -> None:
        said = heard(record, record.task or DEFAULT_TASK)
        if said is not None:
            evidence.learn(said)

    def _judge(self, evidence: Evidence, at: int, outcome: OutcomeEntry, find: Find) -> None:
        """Learn from an outcome, after taking back what an earlier one of the same decision said.
        One that does not tell what was right leaves the earlier one as it is."""
        number = number_of(outcome.decision)
        record = find(number) if number < at else None
        if record is None or record.id != outcome.decision:
            return
        said = heard(record, record.task or outcome.task or DEFAULT_TASK)
        right = truth(record, outcome)
        if said is None or right is None:
            return
        earlier = self._db.execute(
            "SELECT task, truth FROM lessons WHERE number = ?", (number,)
        ).fetchone()
        if earlier is not None:
            evidence.unlearn(replace(said, task=earlier[0]), earlier[1])
        said = replace(said, task=evidence.place(said.task))
        evidence.learn(said, right)
        self._db.execute(
            "INSERT OR REPLACE INTO lessons VALUES (?, ?, ?)", (number, said.task, right)
        )

    def _save(self, evidence: Evidence, taken: int) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO progress VALUES (1, ?, ?)", (taken, evidence.dump())
        )
