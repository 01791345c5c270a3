"""Turns of decisions that are already in the log: once logged a decision is final, so a session
store that refuses its turn is asked again later, and the game gets its answer now."""

import asyncio
import random
import sqlite3

import structlog

from runtime.audit import Record
from runtime.gateway.sessions import Sessions
from runtime.groupcommit import BacklogFullError

log = structlog.get_logger(__name__)

#: Turns that may wait before no further decision is begun.
BOUND = 1024
RETRY_SECONDS = 0.5
MAX_RETRY_SECONDS = 10.0


class Notes:
    """Notes turns, at once or later. What it still owes is known here, so that a repeated
    Idempotency-Key finds its decision."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._owed: dict[str, Record] = {}
        self._retry: asyncio.Task[None] | None = None

    def check(self) -> None:
        """Whether another decision may be begun.

        Raises:
            BacklogFullError: too many turns wait.
        """
        if len(self._owed) >= BOUND:
            raise BacklogFullError(f"{len(self._owed)} turns wait for the session store")

    def owed(self, session: str, idempotency_key: str) -> Record | None:
        """The decision under that key, if its turn still waits."""
        for record in self._owed.values():
            if (record.session, record.idempotency_key) == (session, idempotency_key):
                return record
        return None

    async def note(self, record: Record) -> None:
        """Note the turn of a logged decision, later if it cannot be done now."""
        if await self._noted(record):
            return
        self._owed[record.id] = record
        if self._retry is None or self._retry.done():
            self._retry = asyncio.create_task(self._keep_trying())

    async def close(self) -> None:
        """Try once more. What is then still owed is caught up from the log at the next start."""
        if self._retry is not None:
            self._retry.cancel()
            await asyncio.gather(self._retry, return_exceptions=True)
        await self._settle()

    async def _keep_trying(self) -> None:
        pause = RETRY_SECONDS
        while self._owed:
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  (jitter)
            pause = min(MAX_RETRY_SECONDS, pause * 2)
            await self._settle()
        log.info("turns_noted")

    async def _settle(self) -> None:
        for record in list(self._owed.values()):
            if not await self._noted(record):
                return
            del self._owed[record.id]

    async def _noted(self, record: Record) -> bool:
        try:
            await self._sessions.note(record)
        except (sqlite3.Error, BacklogFullError) as error:
            log.warning("turn_not_noted", decision=record.id, reason=str(error))
            return False
        return True
