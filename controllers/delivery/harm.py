"""Harm in what happens or does not: errors, fallbacks, answers above a target.

A one-sided two-sample e-process for binary outcomes in blocks (Turner, Ly and Grünwald, "Generic
E-Variables for Exact Sequential k-Sample Tests that allow for Optional Stopping", 2021; Turner and
Grünwald, "Exact anytime-valid confidence intervals for contingency tables and beyond", 2023).

With the rates a and b of the canary and the baseline estimated from the *past* alone, and with
their mean m, a block of outcomes x and y multiplies the e-value by

    p_a(x) p_b(y) / (p_m(x) p_m(y)).

Its expectation is at most 1 whenever the canary's rate is not above the baseline's, whatever that
rate is and however it moves from block to block, because the factor grows with x and falls with y
while a > b. While a <= b it is 1: a canary that looks better is no evidence, and costs none.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from controllers.delivery.plan import Sizes

#: One number, or one for each of many runs.
Numbers = float | npt.NDArray[np.float64]

#: Successes and failures that each rate starts with (Turner et al. find 0.18 close to optimal).
PRIOR = 0.18


@dataclass(frozen=True, slots=True)
class Harm:
    """The e-process: four numbers, or arrays of a shape."""

    blocks: Numbers = 0.0
    #: Bad outcomes in each arm.
    canary: Numbers = 0.0
    baseline: Numbers = 0.0
    log_e: Numbers = 0.0


def observe(harm: Harm, canary: Numbers, baseline: Numbers, block: Sizes = (1, 1)) -> Harm:
    """One block more: how many outcomes in it were bad, in each arm."""
    sessions, others = block
    a = (harm.canary + PRIOR) / (harm.blocks * sessions + 2 * PRIOR)
    b = (harm.baseline + PRIOR) / (harm.blocks * others + 2 * PRIOR)
    m = (sessions * a + others * b) / (sessions + others)
    factor = _log_ratio(canary, sessions, a, m) + _log_ratio(baseline, others, b, m)
    return Harm(
        harm.blocks + 1,
        harm.canary + canary,
        harm.baseline + baseline,
        harm.log_e + np.where(a > b, factor, 0.0),
    )


def _log_ratio(bad: Numbers, sessions: int, rate: Any, null: Any) -> Any:
    """log p_rate / p_null of so many bad outcomes in so many sessions."""
    return bad * np.log(rate / null) + (sessions - bad) * np.log((1 - rate) / (1 - null))
