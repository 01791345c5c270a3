"""A small run of the benchmark whose figures stand in docs/benchmarks.md."""

from itertools import pairwise
from statistics import fmean

import numpy as np
import pytest

from tests.bench.consensus import (
    ACCURACIES,
    CORRELATIONS,
    Comparison,
    ceiling,
    compare,
    early_exits,
    errors,
    less,
    p95,
    waits,
)

#: A tie: less than so many of all questions.
TIE = 0.002


@pytest.fixture(scope="module")
def comparisons() -> list[Comparison]:
    return [compare(rho, learned=1500, asked=20_000, streams=4) for rho in CORRELATIONS]


def test_learned_weights_win_or_tie_at_every_correlation(comparisons: list[Comparison]) -> None:
    for found in comparisons:
        for other in (found.declared, found.majority, found.best):
            assert fmean(less(found.log_odds, other)) > -TIE, found.rho


def test_learned_weights_never_fall_half_a_point_below_the_best_member(
    comparisons: list[Comparison],
) -> None:
    for found in comparisons:
        assert min(less(found.log_odds, found.best)) >= -0.005, found.rho


def test_learned_weights_come_close_to_what_no_rule_can_beat(
    comparisons: list[Comparison],
) -> None:
    for found in comparisons:
        assert fmean(found.log_odds) == pytest.approx(ceiling(found.rho), abs=0.004)


def test_the_gain_falls_with_the_effective_voters(comparisons: list[Comparison]) -> None:
    assert all(a.voters > b.voters + 0.3 for a, b in pairwise(comparisons))
    gains = [fmean(less(found.log_odds, found.best)) for found in comparisons]
    assert all(a > b + 0.01 for a, b in pairwise(gains))


def test_the_generator_makes_voters_as_accurate_as_it_says() -> None:
    for rho in CORRELATIONS:
        wrong = errors(rho, 40_000, np.random.default_rng(1))
        assert 1 - wrong.mean(axis=0) == pytest.approx(list(ACCURACIES.values()), abs=0.01)


def test_early_exit_equals_the_full_vote() -> None:
    equal, saved = early_exits(3000, seed=5)
    assert equal == 3000
    assert saved > 0.2


def test_early_exit_takes_three_fifths_of_the_slowest_member() -> None:
    found = waits(0.3, 2000)
    assert p95(found.drawn) <= 0.6 * p95(found.slowest)
