"""Keeping the search index up with the log, in small batches between which requests go first. The
index follows from the log, so nobody waits for it and losing it loses nothing."""

import asyncio
import random
import sqlite3
from contextlib import suppress
from pathlib import Path

import structlog

from runtime.audit import DecisionLog, LogDamagedError, Record
from runtime.audit.kinds import Stored
from runtime.audit.search import Index, Query

log = structlog.get_logger(__name__)

BATCH = 100
#: Between two looks when there is nothing to do, and between two batches: at most about 2,000
#: decisions/s are indexed.
IDLE_SECONDS = 1.0
PAUSE_SECONDS = 0.05
#: After the volume refused.
RETRY_SECONDS = 30.0


class Indexing:
    """The index of a log, as long as it runs."""

    def __init__(self, log: DecisionLog, path: Path) -> None:
        """Open the index; one that cannot be opened is made again.

        Raises:
            OSError, sqlite3.Error: the volume refused.
        """
        self._log = log
        self._task: asyncio.Task[None] | None = None
        try:
            self._index = Index(path)
        except sqlite3.DatabaseError:
            path.unlink(missing_ok=True)
            self._index = Index(path)
        if self._index.indexed > len(log):
            self._index.restart()  # the log lost its end, and its numbers are given again

    def start(self) -> None:
        """Begin to follow the log."""
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Stop; the next start goes on from here."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.to_thread(self._index.close)

    async def forget(self, key: str) -> None:
        """Drop what is sealed under a key that was destroyed. Where that fails it happens when the
        index comes to the tombstone in the log."""
        try:
            await asyncio.to_thread(self._index.forget, key)
        except sqlite3.Error as error:
            log.warning("not_forgotten_yet", reason=str(error))

    async def find(self, query: Query) -> tuple[list[Record], int]:
        """The decisions that match, newest first, and the number before which was searched.

        Raises:
            sqlite3.Error: the index cannot be read.
        """

        def find() -> tuple[list[Record], int]:
            indexed = self._index.indexed
            return self._log.readable(self._index.find(query)), indexed

        return await asyncio.to_thread(find)

    async def _follow(self) -> None:
        while True:
            pause = IDLE_SECONDS
            try:
                if await asyncio.to_thread(self._step):
                    pause = PAUSE_SECONDS
            except sqlite3.Error as error:
                log.warning("not_indexed", reason=str(error))
                pause = RETRY_SECONDS
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311  (jitter)

    def _step(self) -> bool:
        """Index a batch; returns whether there may be more."""
        start = max(self._index.indexed, self._log.first)
        end = min(start + BATCH, len(self._log))
        if start >= end:
            return False
        batch: list[Stored] = []
        for number in range(start, end):
            with suppress(LogDamagedError):
                batch.append(self._log.stored(number))
        self._index.add(batch, end)
        return end < len(self._log)
