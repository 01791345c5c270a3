"""Between which values a quantile of latency lies, at every look.

A verdict is not made of this: whether the canary is *slower* is judged on the share of sessions
above the target (`harm`, `noninferiority`), which says the same (at most 5 % above 2 s is a 95th
percentile of at most 2 s), compares two arms as they stand, and comes with a proof. The interval is
for the person who reads the report and knows latencies as percentiles.

The number of values up to the true p-quantile is binomial with p, whatever the distribution (Howard
and Ramdas, "Sequential estimation of quantiles with applications to A/B testing and best-arm
identification", Bernoulli, 2022). Instead of their stitched bound it is tested by the mixture of
`ratio`, which is a little tighter at the sizes that matter here. Counts in fixed buckets are
enough.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence

from controllers.delivery.ratio import CONCENTRATION


def interval(
    counts: Sequence[int], edges: Sequence[float], p: float, alpha: float
) -> tuple[float | None, float | None]:
    """Between which edges the p-quantile lies; None where the data sets no bound.

    ``counts[i]`` are the values above ``edges[i-1]`` and up to ``edges[i]``, the last those above
    every edge. Each bound fails with a chance of at most alpha, over all looks together.
    """
    if len(counts) != len(edges) + 1 or not 0 < p < 1:
        raise ValueError("there is one count more than edges, and p lies between 0 and 1")
    total, below = sum(counts), 0
    lower: float | None = None
    for count, edge in zip(counts, edges, strict=False):
        below += count
        if log_mixture(below, total, p) < math.log(1 / alpha):
            continue
        if below > p * total:
            return lower, edge
        lower = edge
    return lower, None


def log_mixture(below: int, total: int, p: float) -> float:
    """log of a beta mixture's probability of so many of ``total`` over the binomial's with p."""
    a, b = CONCENTRATION * p, CONCENTRATION * (1 - p)
    return (
        _log_beta(a + below, b + total - below)
        - _log_beta(a, b)
        - below * math.log(p)
        - (total - below) * math.log(1 - p)
    )


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def place(value: float, edges: Sequence[float]) -> int:
    """The bucket that a value counts in."""
    return bisect_left(edges, value)
