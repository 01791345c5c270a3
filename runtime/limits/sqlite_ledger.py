"""Money of one gateway, in SQLite on its volume: written before a member is asked, and exact, since
one thread does everything in order.

A killed process forgets nothing. A machine that loses power may forget the last second: waiting for
the disk with each decision would cost each some milliseconds, twice.
"""

import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from runtime.groupcommit import BacklogFullError, GroupCommit
from runtime.limits.money import (
    Balance,
    BudgetExhaustedError,
    LedgerAwayError,
    Reservation,
)
from runtime.sqlite import transaction

#: Windows are kept longer than a month lasts.
_KEPT = timedelta(days=70)
#: What was written is synced to the disk at least so often, as long as there are writes.
_SYNC_SECONDS = 1.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS balances (
    cap TEXT NOT NULL, period TEXT NOT NULL, spent INTEGER NOT NULL, reserved INTEGER NOT NULL,
    PRIMARY KEY (cap, period)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS held (
    id TEXT NOT NULL, cap TEXT NOT NULL, period TEXT NOT NULL, amount INTEGER NOT NULL,
    expires REAL NOT NULL, PRIMARY KEY (id, cap, period)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS held_by_expiry ON held (expires);
"""
_EXPIRED = "SELECT id, cap, period, amount FROM held WHERE expires <= ?"
_MOVE = (
    "UPDATE balances SET reserved = reserved - ?, spent = spent + ? WHERE cap = ? AND period = ?"
)

_Result = Sequence[Balance] | BudgetExhaustedError
_Order = tuple[Reservation, int | None]


class SqliteLedger:
    """See Ledger. Reservations of a process that died count as spent when the next one opens it.

    Args:
        path: the file.
        clock: seconds, for the expiry of reservations.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._clock = clock
        # Opened here and used by the writing thread alone.
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")  # it syncs at checkpoints
        self._db.executescript(_SCHEMA)
        oldest = datetime.fromtimestamp(clock(), UTC) - _KEPT
        with transaction(self._db):
            self._expire(float("inf"))
            self._db.execute("DELETE FROM balances WHERE period < ?", (f"{oldest:%Y-%m}",))
        self._synced = time.monotonic()
        self._commit: GroupCommit[_Order, _Result] = GroupCommit("ledger", self._write)

    async def reserve(self, reservation: Reservation) -> Sequence[Balance]:
        """See Ledger."""
        return await self._submit(reservation, None)

    async def settle(self, reservation: Reservation, spent: int) -> Sequence[Balance]:
        """See Ledger."""
        return await self._submit(reservation, spent)

    async def close(self) -> None:
        """See Ledger."""
        await self._commit.close()
        self._db.close()

    async def _submit(self, reservation: Reservation, spent: int | None) -> Sequence[Balance]:
        try:
            result = await self._commit.submit((reservation, spent))
        except (sqlite3.Error, BacklogFullError) as error:
            raise LedgerAwayError(f"the gateway's volume refused: {error}") from error
        if isinstance(result, BudgetExhaustedError):
            raise result
        return result

    def _write(self, orders: Sequence[_Order]) -> list[_Result]:
        with transaction(self._db):
            self._expire(self._clock())
            results = [
                self._reserve(reservation) if spent is None else self._settle(reservation, spent)
                for reservation, spent in orders
            ]
        if time.monotonic() - self._synced >= _SYNC_SECONDS:
            self._synced = time.monotonic()
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")
        return results

    def _reserve(self, reservation: Reservation) -> _Result:
        balances = self._balances(reservation)
        for cap, balance in zip(reservation.caps, balances, strict=True):
            if not balance.fits(reservation.amount, cap.limit):
                return BudgetExhaustedError(cap, balance, reservation.amount, reservation.at)
        expires = self._clock() + reservation.lasts
        for account, period in reservation.accounts:
            self._db.execute(
                "INSERT INTO held VALUES (?, ?, ?, ?, ?)",
                (reservation.id, account, period, reservation.amount, expires),
            )
            self._db.execute(
                "INSERT INTO balances VALUES (?, ?, 0, ?) ON CONFLICT (cap, period) "
                "DO UPDATE SET reserved = reserved + excluded.reserved",
                (account, period, reservation.amount),
            )
        return self._balances(reservation)

    def _settle(self, reservation: Reservation, spent: int) -> _Result:
        for cap, period in reservation.accounts:
            held = self._db.execute(
                "DELETE FROM held WHERE id = ? AND cap = ? AND period = ? RETURNING amount",
                (reservation.id, cap, period),
            ).fetchone()
            if held is not None:
                self._db.execute(_MOVE, (held[0], spent, cap, period))
        return self._balances(reservation)

    def _expire(self, now: float) -> None:
        for reservation, cap, period, amount in self._db.execute(_EXPIRED, (now,)).fetchall():
            self._db.execute(_MOVE, (amount, amount, cap, period))
            self._db.execute(
                "DELETE FROM held WHERE id = ? AND cap = ? AND period = ?",
                (reservation, cap, period),
            )

    def _balances(self, reservation: Reservation) -> list[Balance]:
        query = "SELECT spent, reserved FROM balances WHERE cap = ? AND period = ?"
        rows = (self._db.execute(query, account).fetchone() for account in reservation.accounts)
        return [Balance(*(row or ())) for row in rows]
