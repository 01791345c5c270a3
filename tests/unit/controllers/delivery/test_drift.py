"""Drift after promotion: rare false alarms, and an alarm that good days before do not slow."""

import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from controllers.delivery.drift import Drift, alarms, log_evidence, observe


def after(stream: list[float], reference: float) -> Drift:
    drift = Drift()
    for value in stream:
        drift = observe(drift, value, reference)
    return drift


@pytest.mark.parametrize("rate", [Fraction(0), Fraction(1, 20), Fraction(1, 10)])
def test_while_nothing_changed_the_detector_grows_by_at_most_one_an_observation(
    rate: Fraction,
) -> None:
    """So that the first alarm at 1/alpha is expected after 1/alpha observations at the earliest."""
    expected = 0.0
    for stream in product((0, 1), repeat=6):
        chance = math.prod(rate if bad else 1 - rate for bad in stream)
        expected += float(chance) * math.exp(log_evidence(after([*map(float, stream)], 0.1)))
    assert expected <= 6 + 1e-9


def test_a_change_is_found_as_fast_after_many_good_sessions() -> None:
    bad = [1.0 if at % 10 == 0 else 0.0 for at in range(600)]
    alarm = [
        next(n for n in range(600) if alarms(after([*good, *bad[:n]], 0.02)))
        for good in ([], [0.0] * 2000)
    ]
    assert alarm[1] <= alarm[0]


def test_many_runs_can_be_watched_at_once() -> None:
    rng = np.random.default_rng(2)
    drift = Drift(np.full((300, 6), -np.inf))
    found = np.zeros(300, dtype=bool)
    for _ in range(1500):
        drift = observe(drift, rng.random(300) < 0.02, 0.02)
        found |= alarms(drift)
    assert found.mean() <= 0.015 + 0.01


def test_a_reference_that_nothing_can_exceed_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        observe(Drift(), 0.0, 1.0)
