"""Several metrics at once, without raising more false alarms than one.

The e-BH procedure (Wang and Ramdas, "False discovery rate control with e-values", JRSS B, 2022): of
m e-values those k largest are discoveries for the greatest k whose k-th largest is at least m /
(alpha k). The share of false ones among them is at most alpha on average, however the metrics
depend on one another, and at whatever moment one looks.
"""

import math

import numpy as np
import numpy.typing as npt


def discoveries(log_e: npt.ArrayLike, alpha: float) -> npt.NDArray[np.bool_]:
    """Which e-values are discoveries; metrics stand last, any shape before."""
    logs = np.asarray(log_e, dtype=np.float64)
    metrics = logs.shape[-1]
    largest = -np.sort(-logs, axis=-1)
    bars = math.log(metrics / alpha) - np.log(np.arange(1, metrics + 1))
    found = np.where(largest >= bars, largest, np.inf).min(axis=-1, keepdims=True)
    return np.asarray(logs >= found)


def bar(metrics: int, alpha: float) -> float:
    """The e-value that is a discovery by itself."""
    return metrics / alpha
