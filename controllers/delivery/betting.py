"""Bets against a claim about a mean: while it holds, wealth cannot be expected to grow.

Against "the mean of v is at least mu" one stakes a share lambda on each value: the wealth is the
product of 1 + lambda (mu - v), a supermartingale under the claim, so that it ever reaches 1/alpha
with a chance of at most alpha (Ville). Nothing is assumed but the range of v, and that its mean,
given the past, is as claimed; values may depend on one another in every other way.

Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS B, 2024.
Several stakes at once, each with a part of the wealth, replace guessing the best one: the sum is a
supermartingale too, grows like its best part, and depends on the counts alone (`tally`).
"""

from typing import Literal

import numpy as np
import numpy.typing as npt

from controllers.delivery.tally import Floats

#: Stakes as shares of the greatest that cannot lose everything, and the part of the wealth on each.
#: Small stakes suit metrics that scatter (rates near one half), great ones rare failures.
STAKES = np.array([0.02, 0.05, 0.12, 0.25, 0.5, 0.8])
PARTS = np.array([0.1, 0.1, 0.1, 0.2, 0.3, 0.2])

Claim = Literal["at least", "at most"]


def log_wealth(counts: npt.ArrayLike, support: Floats, claim: Claim, mean: float) -> Floats:
    """Logarithm of what betting against ``claim`` that the mean is ``mean`` has made of 1.

    ``counts`` has the points of ``support`` last; the result has the shape of what is before.
    """
    gains = mean - support if claim == "at least" else support - mean
    stakes = STAKES / -gains.min()
    logs = np.asarray(counts, dtype=np.float64) @ np.log1p(np.outer(gains, stakes))
    best = logs.max(axis=-1)
    total: Floats = best + np.log((PARTS * np.exp(logs - best[..., None])).sum(axis=-1))
    return total


def bounds(counts: npt.ArrayLike, support: Floats, alpha: float) -> tuple[float, float]:
    """Between which values the mean lies, at every look: each bound fails with a chance of alpha.

    All means that betting has not disproved: a confidence sequence. The upper bound lies below a
    threshold exactly where `log_wealth` disproves "at least" that threshold.
    """
    return (
        _edge(counts, support, "at most", alpha),
        _edge(counts, support, "at least", alpha),
    )


def _edge(counts: npt.ArrayLike, support: Floats, claim: Claim, alpha: float) -> float:
    """The last mean that is not disproved; wealth falls from one end of the range to the other."""
    near, far = float(support[0]), float(support[-1])  # "at most": disproved at near, if anywhere
    if claim == "at least":
        near, far = far, near
    kept = far
    for _ in range(50):
        middle = (near + far) / 2
        if log_wealth(counts, support, claim, middle) >= np.log(1 / alpha):
            near = middle
        else:
            far = kept = middle
    return kept
