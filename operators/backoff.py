"""Waiting before trying again: exponential, with a cap, and with jitter so that many who failed
together do not come back together."""

import random
from collections.abc import Callable

Random = Callable[[], float]


def delay(attempt: int, *, base: float, cap: float, rng: Random = random.random) -> float:
    """Seconds to wait after the given failed attempt (1 is the first): from half of the exponential
    step to all of it."""
    step = min(cap, base * 2.0 ** min(attempt - 1, 30))
    return step * (0.5 + rng() / 2)


def jittered(seconds: float, spread: float, rng: Random = random.random) -> float:
    """So many seconds, and up to a share more."""
    return seconds * (1 + spread * rng())
