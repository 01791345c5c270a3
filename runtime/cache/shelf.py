"""Bounded memory for answers. The one that was used longest ago makes room for a new one.

How long an answer may be used is asked when it is looked for, so that a new setting holds at once.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from runtime.cache.nearest import Nearest, Vector

#: How many of the most alike are looked at.
NEAREST = 8

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Near(Generic[Value]):
    """One of the most alike of what is there. ``similarity`` is a cosine, -1 to 1."""

    value: Value
    similarity: float


@dataclass(frozen=True, slots=True)
class _Entry(Generic[Value]):
    value: Value
    scope: str
    bytes: int
    at: float
    #: Of its vector; 0: it has none.
    dimension: int


class Shelf(Generic[Value]):
    """Values by key, and within a scope by likeness. Times are in seconds of one steady clock.

    Args:
        entries: how many values it holds at most.
        bytes: how many bytes they may have together.
        dropped: called with each value that had to make room.
    """

    def __init__(
        self, entries: int, bytes: int, dropped: Callable[[Value], None] | None = None
    ) -> None:
        self._most_entries = entries
        self._most_bytes = bytes
        self._dropped = dropped
        self._entries: OrderedDict[str, _Entry[Value]] = OrderedDict()
        #: The vectors of the entries that have one, by scope and dimension.
        self._indexes: dict[tuple[str, int], Nearest] = {}
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def put(
        self,
        key: str,
        value: Value,
        size: int,
        now: float,
        *,
        scope: str = "",
        vector: "Vector | None" = None,
    ) -> None:
        """Keep a value of so many bytes. One that is larger than the whole shelf is not kept."""
        self._remove(key)
        if vector is not None:
            size += vector.nbytes
        if size > self._most_bytes:
            return
        self._entries[key] = _Entry(value, scope, size, now, 0 if vector is None else vector.size)
        self.bytes += size
        if vector is not None:
            self._index(scope, vector.size).add(key, vector)
        while len(self._entries) > self._most_entries or self.bytes > self._most_bytes:
            oldest = next(iter(self._entries))
            gone = self._remove(oldest)
            if gone is not None and self._dropped is not None:
                self._dropped(gone.value)

    def use(self, key: str) -> None:
        """Note that the value under a key was used, so that others make room before it."""
        if key in self._entries:
            self._entries.move_to_end(key)

    def get(self, key: str, now: float, ttl: float) -> Value | None:
        """The value under a key, if it is younger than ``ttl``."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if now - entry.at >= ttl:
            self._remove(key)
            return None
        self.use(key)
        return entry.value

    def nearest(self, scope: str, vector: "Vector", now: float, ttl: float) -> list[Near[Value]]:
        """The values of this scope with a vector and younger than ``ttl``, the most alike first: at
        most `NEAREST` of them."""
        index = self._indexes.get((scope, vector.size))
        if index is None:
            return []
        young = (
            Near(self._entries[key].value, cosine)
            for key, cosine in index.to(vector)
            if now - self._entries[key].at < ttl
        )
        return list(islice(young, NEAREST))

    def forget(self, belongs: Callable[[Value], bool]) -> None:
        """Drop every value of which this is true."""
        for key in [key for key, entry in self._entries.items() if belongs(entry.value)]:
            self._remove(key)

    def _index(self, scope: str, dimension: int) -> "Nearest":
        from runtime.cache.nearest import Nearest

        place = (scope, dimension)
        if place not in self._indexes:
            self._indexes[place] = Nearest(dimension)
        return self._indexes[place]

    def _remove(self, key: str) -> _Entry[Value] | None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return None
        self.bytes -= entry.bytes
        if entry.dimension:
            index = self._indexes[entry.scope, entry.dimension]
            index.remove(key)
            if not len(index):
                del self._indexes[entry.scope, entry.dimension]
        return entry
