"""Keeping the search index up with the log. It is seconds behind, and nobody waits for it."""

import asyncio
import sqlite3
from pathlib import Path

import structlog

from runtime.audit import DecisionLog, Record
from runtime.audit.search import Index, Query
from runtime.gateway.upkeep.trailing import Trailing, batch

log = structlog.get_logger(__name__)


class Indexing:
    """The index of a log, as long as it runs."""

    def __init__(self, log: DecisionLog, path: Path) -> None:
        """Open the index; one that cannot be opened is made again.

        Raises:
            OSError, sqlite3.Error: the volume refused.
        """
        self._log = log
        self._trailing = Trailing(self._step, "not_indexed")
        try:
            self._index = Index(path)
        except sqlite3.DatabaseError:
            path.unlink(missing_ok=True)
            self._index = Index(path)
        if self._index.indexed > len(log):
            self._index.restart()  # the log lost its end, and its numbers are given again

    def start(self) -> None:
        """Begin to follow the log."""
        self._trailing.start()

    async def stop(self) -> None:
        """Stop; the next start goes on from here."""
        await self._trailing.stop()
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

    def _step(self) -> bool:
        """Index a batch; returns whether there may be more."""
        before = self._index.indexed
        entries, end = batch(self._log, before)
        if end > before:
            self._index.add(entries, end)
        return end < len(self._log)
