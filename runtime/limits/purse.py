"""Whoever reserves also settles: on success, failure and cancellation, without making the answer
wait for it."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import structlog

from runtime.limits.money import (
    Balance,
    BudgetExhaustedError,
    Cap,
    Ledger,
    LedgerAwayError,
    Reservation,
)

log = structlog.get_logger(__name__)

_PAUSE_SECONDS = 0.2
_MAX_PAUSE_SECONDS = 5.0
#: For settling when the gateway ends: less than Kubernetes gives after the drain.
_CLOSE_SECONDS = 3.0


def utc() -> datetime:
    """Now."""
    return datetime.now(UTC)


class Spending:
    """Money set aside for one decision. Until ``cost`` is said, all of it counts as spent."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.cost = most


class Purse:
    """Reserves and settles.

    Args:
        ledger: where money is counted.
        watch: told what is gone of a cap, each time that it is known anew.
        now: the time.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        watch: Callable[[Cap, Balance, datetime], None] = lambda *_: None,
        now: Callable[[], datetime] = utc,
    ) -> None:
        self._ledger = ledger
        self._watch = watch
        self._now = now
        self._settling: set[asyncio.Task[None]] = set()
        self._closed = False

    @asynccontextmanager
    async def spending(
        self, caps: Sequence[Cap], most: int, lasts: float
    ) -> AsyncIterator[Spending]:
        """Set ``most`` micro-dollars aside under every cap for as long as the body runs, then count
        its ``cost``. ``lasts``: seconds after which it counts as spent if this process dies.

        Raises:
            BudgetExhaustedError: a cap has no room; the body does not run.
            LedgerAwayError: it cannot be told; the body does not run.
        """
        spending = Spending(most)
        if not caps or not most:
            yield spending
            return
        reservation = Reservation(tuple(caps), most, self._now(), max(1, round(lasts)))
        try:
            self._tell(reservation, await self._ledger.reserve(reservation))
        except BudgetExhaustedError:
            raise
        except BaseException:
            # Nobody knows whether it was set aside, and nothing was asked for it.
            self._settle(reservation, 0)
            raise
        try:
            yield spending
        finally:
            if spending.cost > most:
                log.error("cost_more_than_reserved", reserved=most, cost=spending.cost)
            self._settle(reservation, spending.cost)

    async def close(self) -> None:
        """Settle what is under way, as far as there is time; the rest expires as spent."""
        if self._settling:
            _, late = await asyncio.wait(self._settling, timeout=_CLOSE_SECONDS)
            for task in late:
                task.cancel()
        self._closed = True
        await self._ledger.close()

    def _settle(self, reservation: Reservation, cost: int) -> None:
        if self._closed:
            return
        task = asyncio.create_task(self._keep_trying(reservation, cost))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def _keep_trying(self, reservation: Reservation, cost: int) -> None:
        """Settle, for as long as it may help: what has expired counts as spent."""
        clock = asyncio.get_running_loop().time
        expires, pause = clock() + reservation.lasts, _PAUSE_SECONDS
        while True:
            try:
                balances = await self._ledger.settle(reservation, cost)
            except LedgerAwayError as error:
                if clock() > expires:
                    log.warning("counted_as_spent", amount=reservation.amount, reason=str(error))
                    return
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311
                pause = min(2 * pause, _MAX_PAUSE_SECONDS)
            else:
                self._tell(reservation, balances)
                return

    def _tell(self, reservation: Reservation, balances: Sequence[Balance]) -> None:
        for cap, balance in zip(reservation.caps, balances, strict=True):
            self._watch(cap, balance, reservation.at)
