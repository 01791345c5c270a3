"""Values counted at a few points, from which any bet on their mean can be settled later.

A bet multiplies wealth by 1 + lambda g(v) for each value v, with g linear. The logarithm is
concave, so a value between two points may be split between them in proportion: the wealth of the
counts is never above the wealth of the values, for every lambda and every mean that is asked about.
So a few dozen numbers stand for the whole stream, in whatever order it came, and what bets prove on
the counts they prove on the stream. Where points hold every value nothing is lost.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: Points between 0 and each end of what may take any value. 0 is one of them: most of what is
#: rare is 0, and splitting it would cost the most.
STEPS = 16


def grid(low: float, high: float) -> Floats:
    """Points from ``low``, below 0, to ``high``, above."""
    return np.concatenate([np.linspace(low, 0, STEPS + 1), np.linspace(0, high, STEPS + 1)[1:]])


def shares(values: npt.ArrayLike, points: Floats) -> Floats:
    """How much of each value counts at each point: the shape of the values, then the points.

    The mean of the shares is the value. Values lie between the first point and the last.
    """
    array = np.asarray(values, dtype=np.float64)
    left = np.clip(np.searchsorted(points, array, side="right") - 1, 0, len(points) - 2)
    part = (array - points[left]) / (points[left + 1] - points[left])
    found = np.zeros((*array.shape, len(points)))
    np.put_along_axis(found, left[..., None], (1 - part)[..., None], axis=-1)
    np.put_along_axis(found, left[..., None] + 1, part[..., None], axis=-1)
    return found
