"""Who may come in: a bounded queue before a fixed number of slots, closed by a drain."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from runtime.llamacpp.chunks import error


@dataclass
class Gate:
    """Counts requests from arrival to the end of their answer."""

    parallel: int
    max_waiting: int
    clock: Callable[[], float]
    draining: bool = False
    _arrivals: dict[object, float] = field(default_factory=dict)
    _slots: asyncio.Semaphore = field(init=False)
    _idle: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.parallel)
        self._idle.set()

    @asynccontextmanager
    async def entered(self) -> AsyncIterator[None]:
        """Refuses at once what could only wait in vain."""
        if self.draining:
            raise error(503, "the engine is shutting down; ask another replica", "draining")
        if len(self._arrivals) >= self.parallel + self.max_waiting:
            raise error(
                503,
                f"{len(self._arrivals)} requests are running or waiting, as many as --parallel "
                f"{self.parallel} and --max-waiting {self.max_waiting} allow; try again later",
                "overloaded",
            )
        key = object()
        self._arrivals[key] = self.clock()
        self._idle.clear()
        try:
            yield
        finally:
            del self._arrivals[key]
            if not self._arrivals:
                self._idle.set()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Waits, in order of arrival, until the engine can take one more."""
        async with self._slots:
            yield

    async def drained(self, within: float) -> bool:
        """Close the gate and wait for those inside; whether all of them got out in time."""
        self.draining = True
        try:
            await asyncio.wait_for(self._idle.wait(), within)
        except TimeoutError:
            return False
        return True

    @property
    def in_flight(self) -> int:
        return len(self._arrivals)

    @property
    def oldest_seconds(self) -> float:
        """How long the oldest unanswered request has been here; rises when an engine is stuck."""
        return self.clock() - min(self._arrivals.values()) if self._arrivals else 0.0
