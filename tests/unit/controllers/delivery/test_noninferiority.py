"""Proof of no worse than a margin: what it promises, what it needs, and what it refuses to say."""

import math

import numpy as np
import pytest

from controllers.delivery.noninferiority import log_proof, more_blocks, pairs_needed, points
from controllers.delivery.plan import Margin, Metric
from controllers.delivery.tally import Floats, shares

ALPHA = 0.05
RATE = Metric("errors", Margin(absolute=0.02))


def proven(metric: Metric, canary: float, baseline: float, pairs: int, runs: int = 400) -> float:
    """Share of runs that are proven at some look; the rates are those of what is bad."""
    rng = np.random.default_rng([pairs, round(1000 * canary)])
    support = points(metric, (1, 1))
    counts, found = np.zeros((runs, len(support))), np.zeros(runs, dtype=bool)
    for _ in range(pairs):
        x, y = rng.random(runs) < canary, rng.random(runs) < baseline
        counts += shares(x - metric.factor * y, support)
        found |= log_proof(metric, counts) >= -math.log(ALPHA)
    return float(found.mean())


def counts_of(metric: Metric, pairs: dict[tuple[int, int], int]) -> Floats:
    support = points(metric, (1, 1))
    counts = np.zeros(len(support))
    for (x, y), number in pairs.items():
        counts += number * shares(x - metric.factor * y, support)
    return counts


def test_an_equal_canary_is_proven_within_the_cap() -> None:
    assert proven(RATE, 0.01, 0.01, 2000) >= 0.985


def test_a_canary_two_points_beyond_the_margin_is_hardly_ever_proven() -> None:
    assert proven(RATE, 0.05, 0.01, 2000) <= 0.005


@pytest.mark.parametrize(
    ("metric", "canary", "baseline"),
    [
        (RATE, 0.03, 0.01),
        (Metric("errors", Margin(relative=0.5)), 0.15, 0.10),
        (Metric("thumbs", Margin(relative=0.2), better="Higher"), 0.52, 0.40),
        (Metric("better", Margin()), 0.3, 0.3),
    ],
)
def test_at_the_margin_itself_at_most_alpha_is_proven(
    metric: Metric, canary: float, baseline: float
) -> None:
    assert proven(metric, canary, baseline, 500) <= ALPHA + 2 * math.sqrt(ALPHA * 0.95 / 400)


@pytest.mark.parametrize(
    ("metric", "canary", "baseline"),
    [
        (Metric("errors", Margin(relative=0.5)), 0.10, 0.10),
        (Metric("thumbs", Margin(relative=0.2), better="Higher"), 0.40, 0.40),
        (Metric("objective", Margin()), 0.2, 0.3),
    ],
)
def test_relative_margins_and_objectives_can_be_proven(
    metric: Metric, canary: float, baseline: float
) -> None:
    assert proven(metric, canary, baseline, 3000, runs=100) >= 0.9


def test_it_foretells_how_many_pairs_are_missing() -> None:
    counts = counts_of(RATE, {(0, 0): 196, (1, 0): 2, (0, 1): 2})
    more = more_blocks(RATE, counts, ALPHA)
    assert more is not None
    assert log_proof(RATE, counts * (200 + more) / 200) >= -math.log(ALPHA)
    assert log_proof(RATE, counts * (199 + more) / 200) < -math.log(ALPHA)


def test_nothing_is_missing_where_it_is_proven() -> None:
    assert more_blocks(RATE, counts_of(RATE, {(0, 0): 2000}), ALPHA) == 0


def test_what_goes_on_beyond_the_margin_is_never_proven() -> None:
    assert more_blocks(RATE, counts_of(RATE, {(0, 0): 95, (1, 0): 5}), ALPHA) is None


def test_the_plan_says_how_many_pairs_it_takes() -> None:
    needed = pairs_needed(RATE, 0.01, ALPHA)
    assert needed is not None
    assert 0.5 <= proven(RATE, 0.01, 0.01, needed) <= 0.8
    smaller = pairs_needed(Metric("errors", Margin(absolute=0.01)), 0.01, ALPHA)
    assert smaller is not None
    assert smaller > 2 * needed
    assert pairs_needed(Metric("objective", Margin()), 0.01, ALPHA) is None


def test_the_plan_says_how_many_pairs_show_a_gain() -> None:
    objective = Metric("objective", Margin())
    needed = pairs_needed(objective, 0.5, ALPHA, 0.1)
    assert needed is not None
    assert 0.5 <= proven(objective, 0.4, 0.5, needed) <= 0.8
    half = pairs_needed(objective, 0.5, ALPHA, 0.05)
    assert half is not None
    assert 3 * needed < half < 5 * needed
    assert pairs_needed(objective, 0.0, ALPHA, 0.1) is None
