"""Connections that stay: how many there are, and how they are brought to an end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

log = structlog.get_logger(__name__)


class Room:
    """All connections of a gateway, and how they are brought to an end."""

    def __init__(self) -> None:
        #: Set when they are to end.
        self.closing = asyncio.Event()
        self._open = 0
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def is_closing(self) -> bool:
        """Whether nobody may come in any more."""
        return self.closing.is_set()

    @asynccontextmanager
    async def holding(self) -> AsyncIterator[None]:
        """While one is open."""
        self._open += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._open -= 1
            if not self._open:
                self._empty.set()

    async def close(self, seconds: float) -> None:
        """Let each finish what it has begun, for so long, and send its client elsewhere."""
        self.closing.set()
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            log.warning("sockets_cut", open=self._open)
