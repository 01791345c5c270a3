"""Harm in what has a size: latency, a score, time played.

The bounded-mean counterpart of `harm`: bets on the difference canary - baseline against the claim
that its mean is at most 0. (Putting means into the binary e-process would be valid as well, but it
bets as if values were 0 or 1 and gains nothing by values that scatter less: for latencies that
scatter by a tenth of their range it needs nine times the pairs.)
"""

import numpy.typing as npt

from controllers.delivery.betting import log_wealth
from controllers.delivery.tally import Floats


def log_e(differences: npt.ArrayLike, support: Floats) -> Floats:
    """The logarithm of the e-value that counted differences amount to."""
    return log_wealth(differences, support, "at most", 0.0)
