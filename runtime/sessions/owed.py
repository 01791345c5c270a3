"""Turns of decisions that are already in the log and that the store has not taken: they are offered
again until it does, so that a retry with the same Idempotency-Key finds its decision."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from runtime.audit import Record
from runtime.groupcommit import BacklogFullError
from runtime.sessions.store import SessionDeletedError, TurnLostError, UnknownSessionError

log = structlog.get_logger(__name__)

#: Turns that may wait before no further decision is begun.
BOUND = 1024
RETRY_SECONDS = 0.5
MAX_RETRY_SECONDS = 10.0


class Owed:
    """What is owed to a store.

    Args:
        note: takes the turn of a logged decision.
        refusals: what it raises when it cannot do so now.
    """

    def __init__(
        self,
        note: Callable[[Record], Awaitable[None]],
        refusals: tuple[type[Exception], ...],
    ) -> None:
        self._note = note
        self._refusals = refusals
        self._owed: dict[str, Record] = {}
        self._retry: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._owed)

    def check(self) -> None:
        """Whether another decision may be begun.

        Raises:
            BacklogFullError: too many turns wait.
        """
        if len(self._owed) >= BOUND:
            raise BacklogFullError(f"{len(self._owed)} turns wait for the session store")

    def of(self, session: str) -> list[Record]:
        """What of a session still waits, in the order of its turns."""
        waiting = [record for record in self._owed.values() if record.session == session]
        return sorted(waiting, key=lambda record: record.place.turn if record.place else 0)

    def owe(self, record: Record) -> None:
        """Offer this turn again, a little later and until it is taken."""
        self._owed[record.id] = record
        if self._retry is None or self._retry.done():
            self._retry = asyncio.create_task(self._keep_trying())

    async def settle(self) -> bool:
        """Offer everything now; returns whether nothing is owed any more."""
        for record in list(self._owed.values()):
            try:
                await self._note(record)
            except self._refusals as error:
                log.warning("turn_not_noted", decision=record.id, reason=str(error))
                return False
            except (TurnLostError, UnknownSessionError, SessionDeletedError) as error:
                log.warning("turn_overtaken", decision=record.id, reason=type(error).__name__)
            self._owed.pop(record.id, None)
        return True

    async def close(self) -> None:
        """Try once more. What is then still owed is caught up from the log at the next start."""
        if self._retry is not None:
            self._retry.cancel()
            await asyncio.gather(self._retry, return_exceptions=True)
        await self.settle()

    async def _keep_trying(self) -> None:
        pause = RETRY_SECONDS
        while self._owed:
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  (jitter)
            pause = min(MAX_RETRY_SECONDS, pause * 2)
            await self.settle()
        log.info("turns_noted")
