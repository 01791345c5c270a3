"""Proof that a canary is no worse than its baseline by more than a margin.

The claim to disprove is that it is: that canary - factor * baseline, the excess, is on average at
least the threshold of the metric (`plan.Metric`). Betting against it (`betting`) needs no normal
approximation, holds at every look, and is sharp where failures are rare: from a stable 1 % and with
a margin of two points, half of all equal arms are proven after some 410 pairs.

With margin 0 the same bets prove that the canary is better, which is what an objective needs.
"""

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from controllers.delivery.betting import log_wealth
from controllers.delivery.plan import Metric, Sizes
from controllers.delivery.tally import Floats, grid, shares

#: No more blocks than this are foretold.
FORESEEN = 10_000_000


def points(metric: Metric, block: Sizes, *, factor: float | None = None) -> Floats:
    """Where canary - factor * baseline is counted; the factor is the metric's, or this one."""
    exact = metric.kind == "Binary" and block == (1, 1)
    return _points(metric.factor if factor is None else factor, exact)


@lru_cache(maxsize=256)
def _points(factor: float, exact: bool) -> Floats:
    return np.unique([-factor, 1 - factor, 0.0, 1.0]) if exact else grid(-factor, 1.0)


def log_proof(metric: Metric, excess: npt.ArrayLike, block: Sizes = (1, 1)) -> Floats:
    """Logarithm of the wealth against "worse by the margin"; proven at log(1/alpha)."""
    return log_wealth(excess, points(metric, block), "at least", metric.threshold)


def more_blocks(
    metric: Metric, excess: npt.ArrayLike, alpha: float, block: Sizes = (1, 1)
) -> int | None:
    """How many blocks more prove it, if they are like those that were; None if that never does."""
    counts = np.asarray(excess, dtype=np.float64)
    return _until(metric, counts, counts / counts.sum(), alpha, block)


def pairs_needed(metric: Metric, rate: float, alpha: float, gain: float = 0.0) -> int | None:
    """About how many pairs prove of equal arms that they are, where both fail at ``rate``; or that
    the canary is better, where it fails less often by ``gain``.

    For planning: more than half of all runs take no longer. Of binary metrics, whose scatter
    follows from their rate; one with a size scatters less, and takes at most as many. None if the
    margin cannot be proven.
    """
    better = max(0.0, rate - gain)
    outcomes = [0.0, 1.0, -metric.factor, 1 - metric.factor]
    likely = np.array(
        [
            (1 - better) * (1 - rate),
            better * (1 - rate),
            (1 - better) * rate,
            better * rate,
        ]
    )
    typical = likely @ shares(outcomes, points(metric, (1, 1)))
    return _until(metric, np.zeros_like(typical), typical, alpha, (1, 1))


def _until(
    metric: Metric, counts: Floats, typical: Floats, alpha: float, block: Sizes
) -> int | None:
    def proves(more: int) -> bool:
        return bool(log_proof(metric, counts + more * typical, block) >= -math.log(alpha))

    low, high = 0, 0
    while not proves(high):
        low, high = high, max(1, 2 * high)
        if high > FORESEEN:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if proves(middle) else (middle, high)
    return high
