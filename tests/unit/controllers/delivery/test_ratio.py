"""The split of sessions: a martingale under the weights, whatever their order or their changes."""

import math
from itertools import permutations, product

import numpy as np
import pytest

from controllers.delivery.ratio import Split, assigned, log_increment, reweighed


def of(arms: tuple[int, ...], weights: tuple[float, ...] = (1, 1)) -> Split:
    split = Split((0.0,) * len(weights))
    for arm in arms:
        split = assigned(split, arm, weights)
    return split


@pytest.mark.parametrize("weights", [(1, 1), (1, 19), (5, 5, 90)])
def test_under_the_weights_the_evidence_is_expected_to_stay_one(
    weights: tuple[float, ...],
) -> None:
    chances = [weight / sum(weights) for weight in weights]
    expected = sum(
        math.prod(chances[arm] for arm in arms) * math.exp(of(arms, weights).log_e)
        for arms in product(range(len(weights)), repeat=6)
    )
    assert expected == pytest.approx(1, abs=1e-12)


def test_the_order_of_sessions_means_nothing() -> None:
    evidence = [of(arms).log_e for arms in set(permutations((0, 0, 0, 1, 1)))]
    assert evidence == pytest.approx([evidence[0]] * len(evidence), abs=1e-12)


def test_evidence_stays_when_the_weights_change() -> None:
    before = of((0,) * 30)
    after = reweighed(before)
    assert (after.counts, after.log_e) == ((0.0, 0.0), before.log_e)


def test_a_split_of_55_to_45_is_found_and_an_even_one_is_not() -> None:
    rng = np.random.default_rng(5)
    weights, evidence = np.array([1.0, 1.0]), {}
    for share in (0.5, 0.55):
        counts, log_e, most = np.zeros((200, 2)), np.zeros(200), np.zeros(200)
        for _ in range(4000):
            arm = (rng.random(200) >= share).astype(int)
            log_e += log_increment(counts, weights)[np.arange(200), arm]
            counts[np.arange(200), arm] += 1
            most = np.maximum(most, log_e)
        evidence[share] = float((most >= math.log(1000)).mean())
    assert evidence[0.5] <= 0.005
    assert evidence[0.55] >= 0.9
