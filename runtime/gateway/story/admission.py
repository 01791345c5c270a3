"""How many decisions are made at once, and how many may wait: beyond that, a clear no at once is
kinder than a timeout."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager


class OverloadedError(Exception):
    """The gateway has as much to do as it may take on."""


class Admission:
    """A bounded number of places and a bounded queue before them."""

    def __init__(self, places: int, queue: int) -> None:
        self._places = asyncio.Semaphore(places)
        self._queue = queue
        self._room = places + queue
        self.waiting = 0
        self.inside = 0

    @contextmanager
    def door(self) -> Iterator[None]:
        """Be one of as many as may be inside or wait. Beyond that nothing is asked of a store: it
        would have no time left for the turns that are being told.

        Raises:
            OverloadedError: there is no room.
        """
        if self._room <= 0:
            raise OverloadedError(f"{self.inside} decisions run and {self.waiting} wait")
        self._room -= 1
        try:
            yield
        finally:
            self._room += 1

    @asynccontextmanager
    async def place(self, patience: float) -> AsyncGenerator[None, None]:
        """A place, waited for no longer than ``patience`` seconds.

        Raises:
            OverloadedError: the queue is full, or no place came free in time.
        """
        if self._places.locked():
            await self._queued(patience)
        else:
            await self._places.acquire()  # at once
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1
            self._places.release()

    async def _queued(self, patience: float) -> None:
        if self.waiting >= self._queue:
            raise OverloadedError(f"{self.inside} decisions run and {self.waiting} wait")
        self.waiting += 1
        try:
            async with asyncio.timeout(patience):
                await self._places.acquire()
        except TimeoutError:
            raise OverloadedError(f"no place within {patience:.1f} s") from None
        finally:
            self.waiting -= 1
