"""Whether what was promoted goes bad later, when nothing is left to compare it with.

An e-detector of the Shiryaev-Roberts kind (Shin, Ramdas and Rinaldo, "E-detectors: A Nonparametric
Framework for Sequential Change Detection", New England Journal of Statistics in Data Science,
2024): the sum, over every moment at which the change may have come, of the wealth of bets begun
there against "the mean is at most the reference". While that is true the sum grows by 1 an
observation, so that the first alarm at 1/alpha is expected after 1/alpha observations at the
earliest, and it never tires: a change after a million good sessions is found as fast as one after
ten.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from controllers.delivery.betting import PARTS, STAKES

#: One false alarm in a hundred thousand observations.
ALPHA = 1e-5


@dataclass(frozen=True, slots=True)
class Drift:
    """The logarithm of the detector of each stake, last; none has seen anything at the start."""

    logs: npt.NDArray[np.float64] | tuple[float, ...] = (-math.inf,) * len(STAKES)


def observe(drift: Drift, badness: npt.ArrayLike, reference: npt.ArrayLike) -> Drift:
    """One observation more, on a scale from 0 to 1, against the mean that promotion allowed.

    The reference is what was promised: the baseline's mean at promotion and the margin on top. With
    several, the last axis is of length 1.
    """
    reference = np.asarray(reference, dtype=np.float64)
    if not ((reference > 0) & (reference < 1)).all():
        raise ValueError("reference must lie between 0 and 1")
    gain = np.asarray(badness, dtype=np.float64)[..., None] - reference
    return Drift(np.logaddexp(drift.logs, 0.0) + np.log1p(gain * (STAKES / reference)))


def log_evidence(drift: Drift) -> npt.NDArray[np.float64]:
    """The logarithm of the detector."""
    found: npt.NDArray[np.float64] = np.logaddexp.reduce(
        np.asarray(drift.logs) + np.log(PARTS), axis=-1
    )
    return found


def alarms(drift: Drift, alpha: float = ALPHA) -> npt.NDArray[np.bool_]:
    """Whether the mean has risen."""
    return np.asarray(log_evidence(drift) >= math.log(1 / alpha))
