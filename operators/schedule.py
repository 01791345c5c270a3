"""When to look at which object: due times, coalescing, one run at a time, backoff.

Pure: no tasks, no I/O; the clock and the chance are passed in. There is one entry a key, so its
size is bounded by the objects that exist.
"""

import heapq
import itertools
import random
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from operators import backoff

K = TypeVar("K", bound=Hashable)

#: Seconds until a failed object is tried again: first, and at most.
RETRY_BASE, RETRY_CAP = 0.5, 120.0
#: A failing object is not looked at more often than this, whatever happens to it.
FLOOR = 1.0


class Schedule(Generic[K]):
    """Keys and the times at which they are due."""

    def __init__(self, clock: Callable[[], float], rng: backoff.Random = random.random) -> None:
        self._clock = clock
        self._rng = rng
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._order = itertools.count()
        self._busy: dict[K, float] = {}
        #: Keys that were added while they were busy.
        self._again: dict[K, float] = {}
        self._failures: dict[K, int] = {}
        self._floor: dict[K, float] = {}

    def add(self, key: K, after: float = 0.0) -> None:
        """Make a key due in so many seconds, or keep it due sooner than that."""
        at = max(self._clock() + after, self._floor.get(key, 0.0))
        if key in self._busy:
            self._again[key] = min(at, self._again.get(key, at))
        elif at < self._due.get(key, float("inf")):
            self._due[key] = at
            heapq.heappush(self._heap, (at, next(self._order), key))

    def take(self) -> K | None:
        """The key that is due longest and not busy. It is busy until one of the three below."""
        now = self._clock()
        while self._heap and self._heap[0][0] <= now:
            at, _, key = heapq.heappop(self._heap)
            if self._due.get(key) == at:
                del self._due[key]
                self._busy[key] = now
                return key
        return None

    def done(self, key: K, after: float | None = None) -> None:
        """The run went well; look again in so many seconds, or when something happens."""
        self._failures.pop(key, None)
        self._floor.pop(key, None)
        self._end(key, after)

    def failed(self, key: K) -> float:
        """The run failed. Returns the seconds until the next try."""
        failures = self._failures.get(key, 0) + 1
        self._failures[key] = failures
        wait = backoff.delay(failures, base=RETRY_BASE, cap=RETRY_CAP, rng=self._rng)
        self._floor[key] = self._clock() + min(wait, FLOOR)
        self._end(key, wait)
        return wait

    def _end(self, key: K, after: float | None) -> None:
        self._busy.pop(key, None)
        again = self._again.pop(key, None)
        if again is not None:
            self.add(key, again - self._clock())
        if after is not None:
            self.add(key, after)

    def next_due(self) -> float | None:
        """Seconds until something is due; None where nothing is planned."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return max(0.0, self._heap[0][0] - self._clock()) if self._heap else None

    @property
    def depth(self) -> int:
        """Keys that are due or busy."""
        now = self._clock()
        return len(self._busy) + sum(at <= now for at in self._due.values())

    @property
    def oldest(self) -> float:
        """How many seconds the most overdue key has waited."""
        now = self._clock()
        return max(0.0, now - min(self._due.values(), default=now))

    @property
    def longest_run(self) -> float:
        """How many seconds the longest run has taken so far."""
        now = self._clock()
        return max(0.0, now - min(self._busy.values(), default=now))
