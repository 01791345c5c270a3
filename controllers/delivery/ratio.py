"""Whether sessions were divided as they should be: if not, the data is broken.

A canary whose crashing sessions never report loses exactly those that would speak against it. The
test is a martingale that may be looked at after every session (Lindon and Malek, "Anytime-Valid
Inference for Multinomial Count Data", NeurIPS 2022): the probability of the arms under a Dirichlet
mixture around the weights, over their probability under the weights.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

#: Sessions that the prior is worth. Sensitive to a split of 52:48 while it has seen some thousands.
CONCENTRATION = 500.0


@dataclass(frozen=True, slots=True)
class Split:
    """What was assigned under the present weights, and the evidence up to now."""

    counts: tuple[float, ...]
    log_e: float = 0.0


def assigned(split: Split, arm: int, weights: tuple[float, ...]) -> Split:
    """One session more, for the arm of this index; ``weights`` are what the arms should get."""
    increment = log_increment(np.array(split.counts), np.array(weights, dtype=np.float64))[arm]
    counts = tuple(n + (at == arm) for at, n in enumerate(split.counts))
    return Split(counts, split.log_e + float(increment))


def reweighed(split: Split) -> Split:
    """From here on other weights hold: counts start anew, and the evidence stays.

    A product of martingales that follow one another is one.
    """
    return Split((0.0,) * len(split.counts), split.log_e)


def log_increment(
    counts: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """What a session in each arm would add to the logarithm of the evidence; arms stand last."""
    share = weights / weights.sum()
    prior = CONCENTRATION * share
    total = counts.sum(axis=-1, keepdims=True) + CONCENTRATION
    found: npt.NDArray[np.float64] = np.log((prior + counts) / total) - np.log(share)
    return found
