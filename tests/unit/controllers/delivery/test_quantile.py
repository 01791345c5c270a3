"""Bounds of a quantile from counts in buckets."""

import numpy as np
import pytest

from controllers.delivery.quantile import interval, place

EDGES = [round(0.05 * n, 2) for n in range(1, 80)]


def test_both_bounds_hold_at_every_look() -> None:
    """Exponential latencies, whose 95th percentile is log 20; looks after every 50 of 1,500."""
    truth, failed = np.log(20), 0
    for seed in range(200):
        counts = [0] * (len(EDGES) + 1)
        rng = np.random.default_rng(seed)
        for _ in range(30):
            for value in rng.exponential(1, 50):
                counts[place(value, EDGES)] += 1
            lower, upper = interval(counts, EDGES, 0.95, 0.05)
            if (lower is not None and lower > truth) or (upper is not None and upper < truth):
                failed += 1
                break
    assert failed <= 20


def test_much_data_sets_narrow_bounds() -> None:
    counts = [0] * (len(EDGES) + 1)
    for value in np.random.default_rng(1).exponential(1, 20_000):
        counts[place(value, EDGES)] += 1
    lower, upper = interval(counts, EDGES, 0.95, 0.05)
    assert lower is not None
    assert upper is not None
    assert 2.7 <= lower < np.log(20) <= upper <= 3.3


def test_no_data_sets_no_bound() -> None:
    assert interval([0, 0, 0], [1.0, 2.0], 0.95, 0.05) == (None, None)


def test_a_quantile_beyond_the_last_edge_has_no_upper_bound() -> None:
    assert interval([10, 10, 500], [1.0, 2.0], 0.95, 0.05) == (2.0, None)


def test_a_value_at_an_edge_counts_up_to_it() -> None:
    assert [place(value, [1.0, 2.0]) for value in (0.5, 1.0, 1.5, 2.0, 9.0)] == [0, 0, 1, 1, 2]


def test_counts_that_do_not_fit_their_edges_are_refused() -> None:
    with pytest.raises(ValueError, match="one count more"):
        interval([1, 2], [1.0, 2.0], 0.95, 0.05)
