"""The embedded store: SQLite on the volume of the one gateway that owns it.

A turn follows from its decision record, so the log is the truth: once logged a decision is final,
the game gets its answer, and its turn is noted a moment later, together with others, or when the
disk takes it again. What a killed gateway had logged and not yet noted is caught up at the next
start. Meanwhile the next turn follows upon what is in memory. Claims live in this process alone:
they end with it, and nobody else could have one.
"""

import asyncio
import secrets
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from runtime.audit import DecisionLog, Record
from runtime.groupcommit import BacklogFullError, GroupCommit
from runtime.sessions import statements as sql
from runtime.sessions.owed import Owed
from runtime.sessions.schema import prepare
from runtime.sessions.standing import Standing, Standings
from runtime.sessions.store import (
    Allows,
    Assign,
    Claim,
    Context,
    Decided,
    Fact,
    Session,
    SessionDeletedError,
    StoreUnavailableError,
    Summary,
    TurnLostError,
    TurnUnderWayError,
    begun,
    digest,
    in_no_arm,
    whatever,
)
from runtime.sessions.tally import Tally
from runtime.sqlite import transaction

Found = TypeVar("Found")
_Operation = Callable[[sqlite3.Connection], Any]
_CATCH_UP_BATCH = 500
#: Sessions forgotten in one write, so that a sweep holds nobody up.
_SWEEP_BATCH = 200
#: So long a logged turn waits for others to be noted with it, in seconds.
NOTE_SECONDS = 0.05


class SqliteSessions:
    """See SessionStore. Writes are grouped and durable before they return.

    Args:
        path: the file.
        lifetime: seconds after its last write until a session expires, asked each time.
    """

    def __init__(self, path: Path, lifetime: Callable[[], float]) -> None:
        self._lifetime = lifetime
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = _connect(path)
        prepare(self._writer)
        self._reader = _connect(path)
        self._reader.execute("PRAGMA query_only = ON")
        self._commit: GroupCommit[_Operation, Any] = GroupCommit("sessions", self._write)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sessions-read")
        self._owed = Owed(self._note, (sqlite3.Error, BacklogFullError), NOTE_SECONDS)
        self._standings = Standings()
        #: Sessions whose turn is being noted outside of the order.
        self._late: list[str] = []
        #: By session: the claim's token and when it ends.
        self._claims: dict[str, tuple[str, float]] = {}
        self._log: DecisionLog | None = None
        #: Entries that the log had when this was last looked at.
        self._marked = 0

    @property
    def trouble(self) -> StoreUnavailableError | None:
        """See SessionStore."""
        return None

    async def create(
        self, player: str | None, context: Context | None, assign: Assign = in_no_arm
    ) -> Session:
        """See SessionStore."""
        session = begun(player, context, assign)
        await self._change(lambda db: sql.create(db, session, time.time()))
        return session

    async def get(self, session: str) -> Session:
        """See SessionStore."""
        known = self._standings.get(session, self._since())
        if known is not None:
            return known.session
        await self._owed.settle()
        return await self.read(lambda db: sql.session(db, session, self._since()))

    async def by_player(self, player: str, limit: int) -> list[Session]:
        """See SessionStore."""
        await self._owed.settle()
        return await self.read(lambda db: sql.by_player(db, player, self._since(), limit))

    async def delete(self, session: str) -> None:
        """See SessionStore."""
        with suppress(SessionDeletedError):
            await self.get(session)
            await self._owed.settle()
            await self._change(lambda db: sql.delete(db, session, time.time()))
        self._standings.change(session, lambda _: None)
        await self._commit.run(self._wipe)

    async def begin(self, session: str, key: str | None, lease: float) -> Claim | Decided:
        """See SessionStore."""
        self._owed.check()
        token = secrets.token_hex(8)
        taken_for = self._take(session, token, lease)
        try:
            known = self._standings.get(session, self._since()) or await self._load(session)
        except BaseException:
            self._let_go(session, token)
            raise
        decided = known.keys.get(key) if key is not None else None
        if decided is not None:
            self._let_go(session, token)
            return Decided(decided)
        if taken_for is not None:
            raise TurnUnderWayError(session, taken_for)
        return Claim(known.session, known.session.turns + 1, token, known.turns, known.facts)

    async def confirm(self, claim: Claim, lease: float) -> None:
        """See SessionStore."""
        held = self._claims.get(claim.session.id)
        if held is None or held[0] != claim.token:
            raise TurnLostError(claim.session.id)
        self._claims[claim.session.id] = claim.token, time.monotonic() + lease

    async def release(self, claim: Claim) -> None:
        """See SessionStore."""
        self._let_go(claim.session.id, claim.token)

    async def finish(self, claim: Claim, record: Record) -> None:
        """See SessionStore. The turn is owed to the file: its decision is logged."""
        try:
            id, at = claim.session.id, time.time()
            known = None if id in self._late else self._standings.get(id, self._since())
            after = known and known.after(record, at)
            if after is not None:
                self._standings.put(after)
                self._owed.owe(record)
            else:
                await self._finish_late(id, record)
        finally:
            self._let_go(claim.session.id, claim.token)

    async def decisions(self, session: str, limit: int) -> list[str]:
        """See SessionStore."""

        def read(db: sqlite3.Connection) -> list[str]:
            sql.session(db, session, self._since())
            return sql.decisions(db, session, limit)

        await self._owed.settle()
        return await self.read(read)

    async def record(self, decision: str) -> Record | None:
        """See SessionStore. The log on the same volume has them all."""
        return None

    async def summarise(self, session: str, summary: Summary) -> None:
        """See SessionStore."""
        await self._change(lambda db: sql.summarise(db, session, summary))
        self._standings.change(session, lambda known: known.told_in_short(summary))

    async def facts(self, session: str) -> list[Fact]:
        """See SessionStore."""

        def read(db: sqlite3.Connection) -> list[Fact]:
            sql.session(db, session, self._since())
            return sql.facts(db, session)

        return await self.read(read)

    async def pin(self, session: str, text: str) -> Fact:
        """See SessionStore."""

        def change(db: sqlite3.Connection) -> Fact:
            sql.session(db, session, self._since())
            return sql.pin(db, session, text, time.time())

        fact = await self._change(change)
        self._standings.change(session, lambda known: known.with_fact(fact, time.time()))
        return fact

    async def unpin(self, session: str, fact: str) -> None:
        """See SessionStore."""

        def change(db: sqlite3.Connection) -> None:
            sql.session(db, session, self._since())
            sql.unpin(db, session, fact, time.time())

        await self._change(change)
        self._standings.change(session, lambda known: known.without_fact(fact, time.time()))

    async def post(self, session: str, metrics: Mapping[str, float]) -> None:
        """See SessionStore."""

        def change(db: sqlite3.Connection) -> None:
            sql.session(db, session, self._since())
            sql.post(db, session, metrics)

        await self._change(change)

    async def tally(self, session: str) -> Tally:
        """See SessionStore."""

        def read(db: sqlite3.Connection) -> Tally:
            sql.session(db, session, self._since())
            return sql.tally(db, session)

        await self._caught_up(session)
        return await self.read(read)

    async def enrol(self, player: str, rollout: str, session: str) -> bool:
        """See SessionStore."""
        key, at = digest(player), time.time()
        return await self._change(lambda db: sql.enrol(db, key, rollout, session, at))

    async def forget_parts(self, player: str) -> None:
        """See SessionStore."""
        await self._change(lambda db: sql.forget_parts(db, digest(player)))

    async def sweep(self, allows: Allows = whatever) -> int:
        """See SessionStore."""
        await self._owed.settle()
        await self._mark()
        if not allows(*await self.read(lambda db: sql.expired(db, self._since()))):
            return 0
        forgotten = 0
        while True:
            batch: int = await self._change(
                lambda db: sql.sweep(db, self._since(), time.time(), _SWEEP_BATCH)
            )
            forgotten += batch
            if batch < _SWEEP_BATCH:
                return forgotten

    async def catch_up(self, log: DecisionLog) -> int:
        """See SessionStore. Starts where the last start or note had come to."""
        noted = await self.read(sql.noted)
        if noted > len(log):
            # The log lost its end, and its numbers will be given again: what was noted of that end
            # would stand in the way of new turns.
            noted = 0
            await self._change(lambda db: sql.cut(db, len(log)))
        for first in range(noted, len(log), _CATCH_UP_BATCH):
            numbers = range(first, min(first + _CATCH_UP_BATCH, len(log)))
            records = await asyncio.to_thread(log.readable, numbers)
            # Also past damaged records, which no later start could note either.
            await self._change(partial(sql.note_all, records, numbers.stop, time.time()))
        self._log, self._marked = log, len(log)
        return max(0, len(log) - noted)

    async def close(self) -> None:
        """See SessionStore."""
        await self._owed.close()
        with suppress(sqlite3.Error, BacklogFullError):
            await self._mark()
        await self._commit.close()
        self._thread.shutdown()
        self._reader.close()
        self._writer.close()

    async def _mark(self) -> None:
        """Let the next start read less of the log. What was logged before the mark before this one
        has been noted by now, unless it is owed."""
        if self._log is not None and not self._owed.reaches_before(self._marked):
            before, self._marked = self._marked, len(self._log)
            await self._change(partial(sql.set_noted, before))

    def _since(self) -> float:
        """A session that was last written before this has expired."""
        return time.time() - self._lifetime()

    async def _load(self, session: str) -> Standing:
        """Read a session from the file, as soon as that has all of it."""
        await self._caught_up(session)
        changes = self._standings.changes
        found = await self.read(lambda db: sql.standing(db, session, self._since()))
        known = self._standings.get(session, self._since())
        if known is not None:  # somebody read it meanwhile, and may have told a turn since
            return known
        if changes == self._standings.changes:
            self._standings.put(found)
        return found

    async def _caught_up(self, session: str) -> None:
        """Have the file take what is owed of a session."""
        if self._owed.of(session) and not await self._owed.settle():
            raise BacklogFullError("turns of this session wait for the volume")

    async def _finish_late(self, session: str, record: Record) -> None:
        """Note a turn of a session that is not in memory, or not as it was claimed. Until the file
        has it nobody else goes by what is in memory."""
        self._late.append(session)
        try:
            await self._owed.settle()
            (fault,) = await self._note([record])
        except (sqlite3.Error, BacklogFullError):
            self._owed.owe(record)
            return
        finally:
            self._late.remove(session)
            self._standings.change(session, lambda _: None)
        if fault is not None:
            raise fault

    async def _note(self, records: Sequence[Record]) -> list[Exception | None]:
        return await self._change(partial(sql.note_each, records, time.time()))

    def _take(self, session: str, token: str, lease: float) -> float | None:
        """Claim the session; else returns for how many seconds somebody else still has it."""
        at = time.monotonic()
        _, until = self._claims.get(session, ("", 0.0))
        if until > at:
            return until - at
        self._claims[session] = token, at + lease
        return None

    def _let_go(self, session: str, token: str) -> None:
        if self._claims.get(session, ("", 0.0))[0] == token:
            del self._claims[session]

    async def read(self, read: Callable[[sqlite3.Connection], Found]) -> Found:
        """What a reading of the file finds, in its own thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, read, self._reader)

    async def _change(self, change: Callable[[sqlite3.Connection], Found]) -> Found:
        made = await self._commit.submit(change)
        if isinstance(made, Exception):
            raise made
        return made  # type: ignore[no-any-return]

    def _wipe(self) -> None:
        """What was deleted stays in the write-ahead log until that is emptied."""
        busy, *_ = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise sqlite3.OperationalError("sessions.db is being read; send it again")

    def _write(self, batch: Sequence[_Operation]) -> list[Any]:
        made: list[Any] = []
        with transaction(self._writer):
            for operation in batch:
                try:
                    made.append(operation(self._writer))
                except sql.REFUSALS as refusal:  # nothing was written for it; the rest goes on
                    made.append(refusal)
        return made


def _connect(path: Path) -> sqlite3.Connection:
    # Opened here and used by one thread each.
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA secure_delete = ON")
    db.execute("PRAGMA cache_size = -2048")
    return db
