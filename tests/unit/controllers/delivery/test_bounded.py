"""Harm in sizes: small shifts of what scatters little are found, and nothing else."""

import math

import numpy as np

from controllers.delivery.bounded import log_e
from controllers.delivery.tally import grid, shares


def stopped(slower: float, pairs: int, runs: int) -> float:
    """Share of runs that call latencies around 0.3 harmful at some look."""
    rng = np.random.default_rng([pairs, round(100 * slower) + 10])
    support = grid(-1.0, 1.0)
    counts, found = np.zeros((runs, len(support))), np.zeros(runs, dtype=bool)
    for _ in range(pairs):
        canary, baseline = (
            np.clip(rng.normal(0.3 + shift, 0.1, runs), 0, 1) for shift in (slower, 0.0)
        )
        counts += shares(canary - baseline, support)
        found |= log_e(counts, support) >= math.log(100)
    return float(found.mean())


def test_a_canary_slower_by_a_twentieth_of_the_range_is_caught() -> None:
    assert stopped(0.05, pairs=300, runs=100) >= 0.9


def test_an_equal_one_is_left_alone() -> None:
    assert stopped(0.0, pairs=300, runs=1000) <= 0.01 + 2 * math.sqrt(0.01 / 1000)


def test_a_faster_one_is_left_alone() -> None:
    assert stopped(-0.05, pairs=300, runs=100) == 0
