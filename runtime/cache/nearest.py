"""Vectors by key, and which of them are the most alike to another: one matrix, so that thousands
are compared in a few milliseconds.

The one module here that needs numpy. Only who compares texts imports it.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: A direction: float32, of length 1.
Vector = NDArray[np.float32]

_FIRST_ROWS = 8


def unit(vector: ArrayLike) -> Vector | None:
    """The direction of a vector; None where it has none: it is zero, empty or not finite."""
    array = np.asarray(vector, dtype=np.float32)
    length = float(np.linalg.norm(array)) if array.ndim == 1 and array.size else 0.0
    return array / np.float32(length) if np.isfinite(length) and length > 0 else None


class Nearest:
    """Vectors of one dimension, each of length 1."""

    def __init__(self, dimension: int) -> None:
        self._rows = np.empty((_FIRST_ROWS, dimension), np.float32)
        self._keys: list[str] = []
        self._places: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: str, vector: Vector) -> None:
        """Keep a vector under a key that is not there yet."""
        place = len(self._keys)
        if place == len(self._rows):
            self._rows = np.concatenate([self._rows, np.empty_like(self._rows)])
        self._rows[place] = vector
        self._keys.append(key)
        self._places[key] = place

    def remove(self, key: str) -> None:
        """Let go of one; the last takes its place."""
        place, last = self._places.pop(key), self._keys.pop()
        if last != key:
            self._rows[place] = self._rows[len(self._keys)]
            self._keys[place] = last
            self._places[last] = place

    def to(self, vector: Vector) -> Iterator[tuple[str, float]]:
        """Keys and cosines, the most alike first."""
        cosines = self._rows[: len(self._keys)] @ vector
        for place in np.argsort(-cosines):
            yield self._keys[place], min(1.0, float(cosines[place]))
