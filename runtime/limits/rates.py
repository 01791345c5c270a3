"""Rates of one gateway, in its memory; and what every home of rates answers."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from runtime.limits.gcra import Rate, Ruling, rule

#: Subjects with a number of their own: about 20 MB.
SUBJECTS = 100_000
#: Numbers that those beyond share.
SHARED = 1024
_SWEEP = 1_000_000


@dataclass(frozen=True, slots=True)
class Counted:
    """One request of a subject under a rate."""

    rate: Rate
    subject: str

    @property
    def key(self) -> str:
        """What tells it from every other subject and rate."""
        return f"{self.rate.name}:{self.subject}"


class Rates(Protocol):
    """Where requests are counted."""

    async def admit(self, asked: Sequence[Counted]) -> Ruling:
        """Count a request under each of these, if all of them let it pass."""
        ...


def microseconds() -> int:
    """A clock that never goes back."""
    return time.monotonic_ns() // 1000


class EmbeddedRates:
    """Rates in memory: exact for one gateway, forgotten when it ends.

    Bounded: who has been given everything back is forgotten, which changes nothing for him. When
    there is no room, newcomers share numbers by hash: some may be held back for others, and nobody
    who is held back is let go early.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], int] = microseconds,
        subjects: int = SUBJECTS,
        shared: int = SHARED,
    ) -> None:
        self._clock = clock
        self._bound = subjects
        self._arrivals: dict[str, int] = {}
        self._shared = [0] * shared
        self._swept = clock() - _SWEEP

    async def admit(self, asked: Sequence[Counted]) -> Ruling:
        """See Rates."""
        now = self._clock()
        found = [rule(each.rate, self._arrival(each.key), now) for each in asked]
        ruling = Ruling([quota for quota, _ in found])
        if ruling.refused_by is None:
            for each, (_, arrival) in zip(asked, found, strict=True):
                self._note(each.key, arrival, now)
        return ruling

    def __len__(self) -> int:
        return len(self._arrivals)

    def _arrival(self, key: str) -> int:
        own = self._arrivals.get(key)
        return self._shared[hash(key) % len(self._shared)] if own is None else own

    def _note(self, key: str, arrival: int, now: int) -> None:
        if key not in self._arrivals and not self._has_room(now):
            self._shared[hash(key) % len(self._shared)] = arrival
            return
        self._arrivals[key] = arrival

    def _has_room(self, now: int) -> bool:
        if len(self._arrivals) >= self._bound and now - self._swept >= _SWEEP:
            self._swept = now
            self._arrivals = {who: when for who, when in self._arrivals.items() if when > now}
        return len(self._arrivals) < self._bound
