"""From values to places on paper, and the values that are worth a mark on an axis."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
#: Distances between two marks of time, in seconds.
_APART = (
    *(1, 2, 5, 10, 15, 30),
    *(_MINUTE * n for n in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * n for n in (1, 2, 3, 6, 12)),
    *(_DAY * n for n in (1, 2, 7, 14, 28)),
)


@dataclass(frozen=True, slots=True)
class Scale:
    """A straight line from values to places. What lies beyond its ends is drawn at them."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        part = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return self.start + min(1.0, max(0.0, part)) * (self.end - self.start)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round values between two, about so many."""
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-9):
        return [low]
    raw = (high - low) / about
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * n for n in (1, 2, 5, 10) if unit * n >= raw)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [0.0 if n == 0 else float(f"{n * step:.12g}") for n in range(first, last + 1)]


def decades(low: float, high: float, about: int = 6) -> list[int]:
    """Exponents of ten between two of them, about so many, and 0 among them if it lies between."""
    step = max(1, math.ceil((high - low) / about))
    return [n for n in range(math.ceil(low), math.floor(high) + 1) if n % step == 0]


def moments(start: datetime, end: datetime, about: int = 6) -> list[datetime]:
    """Round times between two, in UTC."""
    seconds = (end - start).total_seconds()
    apart = next((step for step in _APART if seconds / step <= about), None)
    step = apart or math.ceil(seconds / about / _DAY) * _DAY
    first = math.ceil(start.timestamp() / step) * step
    count = math.floor((end.timestamp() - first) / step) + 1
    return [datetime.fromtimestamp(first, UTC) + timedelta(seconds=step * n) for n in range(count)]
