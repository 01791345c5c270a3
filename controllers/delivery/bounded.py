"""Harm in what has a size: latency, a score, time played.

The bounded-mean counterpart of `harm`: bets on the difference canary - baseline against the claim
that its mean is at most 0. (Putting means into the binary e-process would be valid as well; it bets
as if values were 0 or 1, and so cannot gain by values that scatter less. Measured: of latencies
around a fifth of their range, it needs five times the pairs.)
"""

import numpy.typing as npt

from controllers.delivery.betting import log_wealth
from controllers.delivery.tally import Floats


def log_e(differences: npt.ArrayLike, support: Floats) -> Floats:
    """The logarithm of the e-value that counted differences amount to."""
    return log_wealth(differences, support, "at most", 0.0)
