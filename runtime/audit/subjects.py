"""A key for each person whose words are in the log. Words are sealed under it, and destroying it
destroys them, while the log and its proofs stay as they are."""

import secrets
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from runtime.sqlite import transaction

#: Keys that are kept in memory.
_CACHED = 4096

_SCHEMA = """
CREATE TABLE IF NOT EXISTS keys (
    id TEXT PRIMARY KEY, subject TEXT NOT NULL UNIQUE, secret BLOB NOT NULL, destroyed_by TEXT
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class SubjectKey:
    """A key and the name under which entries refer to it, which says nothing of the person."""

    id: str
    cipher: AESGCM


class Subjects:
    """The keys, in a small database of their own. Safe between threads."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open the store, or start it; only the owner may read it.

        Raises:
            OSError, sqlite3.Error: the volume refused.
        """
        self._lock = threading.Lock()
        self._by_subject: OrderedDict[str, SubjectKey] = OrderedDict()
        self._by_id: OrderedDict[str, SubjectKey] = OrderedDict()
        if read_only:
            self._db = sqlite3.connect(
                f"file:{quote(str(path))}?mode=ro", uri=True, check_same_thread=False, timeout=10
            )
            return
        path.touch(mode=0o600)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
        # No write-ahead log, which would keep a destroyed key until it is overwritten.
        self._db.execute("PRAGMA journal_mode = DELETE")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA secure_delete = ON")
        self._db.executescript(_SCHEMA)

    def keys_for(self, subjects: Iterable[str]) -> dict[str, SubjectKey]:
        """The key of each subject; those who have none get one, durably.

        Raises:
            sqlite3.Error: the volume refused.
        """
        wanted = set(subjects)
        with self._lock:
            found = {name: self._by_subject[name] for name in wanted & self._by_subject.keys()}
            for name in wanted - found.keys():
                row = self._db.execute(
                    "SELECT id, secret FROM keys WHERE subject = ? AND destroyed_by IS NULL",
                    (name,),
                ).fetchone()
                if row is not None:
                    found[name] = SubjectKey(row[0], AESGCM(row[1]))
            fresh = {name: self._fresh() for name in wanted - found.keys()}
            if fresh:
                self._insert({name: (id_, secret) for name, (id_, secret) in fresh.items()})
            for name, (id_, secret) in fresh.items():
                found[name] = SubjectKey(id_, AESGCM(secret))
            for name, key in found.items():
                _remember(self._by_subject, name, key)
                _remember(self._by_id, key.id, key)
        return found

    def find(self, key: str) -> SubjectKey | None:
        """The key of that id. None: it was destroyed."""
        with self._lock:
            known = self._by_id.get(key)
            if known is None:
                row = self._db.execute(
                    "SELECT secret FROM keys WHERE id = ? AND destroyed_by IS NULL", (key,)
                ).fetchone()
                if row is None:
                    return None
                known = SubjectKey(key, AESGCM(row[0]))
                _remember(self._by_id, key, known)
            return known

    def condemn(self, subject: str, by: str) -> str | None:
        """Begin to destroy the key of a subject: from here on nobody gets it, not even after a
        restart. Returns its id, or None where there is none.

        Raises:
            sqlite3.Error: the volume refused; the key is as it was.
        """
        with self._lock:
            row = self._db.execute("SELECT id FROM keys WHERE subject = ?", (subject,)).fetchone()
            if row is None:
                return None
            self._db.execute(
                "UPDATE keys SET destroyed_by = ?, secret = zeroblob(32), subject = id "
                "WHERE id = ?",
                (by, row[0]),
            )
            self._by_subject.pop(subject, None)
            self._by_id.pop(row[0], None)
            return str(row[0])

    def condemned(self) -> list[tuple[str, str]]:
        """Keys whose destruction was begun and not recorded yet: id, and who asked for it."""
        with self._lock:
            rows = self._db.execute("SELECT id, destroyed_by FROM keys WHERE destroyed_by NOTNULL")
            return [(str(id_), str(by)) for id_, by in rows]

    def bury(self, key: str) -> None:
        """Forget a condemned key, once its erasure is recorded.

        Raises:
            sqlite3.Error: the volume refused.
        """
        with self._lock:
            self._db.execute("DELETE FROM keys WHERE id = ?", (key,))

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    @staticmethod
    def _fresh() -> tuple[str, bytes]:
        return f"k-{secrets.token_hex(12)}", AESGCM.generate_key(256)

    def _insert(self, fresh: dict[str, tuple[str, bytes]]) -> None:
        with transaction(self._db):
            self._db.executemany(
                "INSERT INTO keys (id, subject, secret) VALUES (?, ?, ?)",
                [(id_, name, secret) for name, (id_, secret) in fresh.items()],
            )


def lost(key: str | None) -> SubjectKey:
    """A key that is kept nowhere, under the name of a destroyed one if there was any."""
    return SubjectKey(key or f"k-{secrets.token_hex(12)}", AESGCM(AESGCM.generate_key(256)))


def _remember(cache: OrderedDict[str, SubjectKey], name: str, key: SubjectKey) -> None:
    cache[name] = key
    cache.move_to_end(name)
    if len(cache) > _CACHED:
        cache.popitem(last=False)
