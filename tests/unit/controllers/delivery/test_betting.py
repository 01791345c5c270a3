"""Bets against a mean: exact by enumeration, and beside an independent implementation."""

import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.delivery.betting import PARTS, STAKES, Claim, bounds, log_wealth
from controllers.delivery.tally import Floats, grid, shares

THREE = np.array([-1.0, 0.0, 1.0])
values = st.lists(st.floats(-1, 1), min_size=1, max_size=60)


def counted(stream: list[float], support: Floats) -> Floats:
    counts: Floats = shares(stream, support).sum(axis=0)
    return counts


@pytest.mark.parametrize("mean", [Fraction(-1, 2), Fraction(0), Fraction(1, 50), Fraction(3, 10)])
def test_while_the_claim_holds_wealth_is_expected_to_be_at_most_one(mean: Fraction) -> None:
    """All streams of five of -1, 0 and 1, in fractions, at the mean that the claim allows last."""
    stakes = [Fraction(str(stake)) for stake in STAKES]
    parts = [Fraction(str(part)) for part in PARTS]
    assert sum(parts) == 1
    for up in (Fraction(1, 4), Fraction(1, 2)):
        chances = {1: up, -1: up - mean, 0: 1 - 2 * up + mean}
        if min(chances.values()) < 0:
            continue
        expected = Fraction(0)
        for stream in product((-1, 0, 1), repeat=5):
            wealth = sum(
                part * math.prod(1 + stake / (1 - mean) * (mean - value) for value in stream)
                for part, stake in zip(parts, stakes, strict=True)
            )
            assert log_wealth(
                counted([float(v) for v in stream], THREE), THREE, "at least", float(mean)
            ) == pytest.approx(math.log(wealth), abs=1e-12)
            expected += wealth * math.prod(chances[value] for value in stream)
        assert expected == 1


@given(values, st.floats(-0.9, 0.9), st.sampled_from(["at least", "at most"]))
def test_counts_never_have_more_wealth_than_what_was_counted(
    stream: list[float], mean: float, claim: Claim
) -> None:
    support = grid(-1.0, 1.0)
    gains = np.array([mean - v if claim == "at least" else v - mean for v in stream])
    worst = 1 - mean if claim == "at least" else 1 + mean
    own = math.log(sum(PARTS * np.exp(np.log1p(np.outer(gains, STAKES / worst)).sum(axis=0))))
    assert log_wealth(counted(stream, support), support, claim, mean) <= own + 1e-9


@given(values)
def test_the_mean_of_what_was_counted_lies_between_the_bounds(stream: list[float]) -> None:
    support = grid(-1.0, 1.0)
    lower, upper = bounds(counted(stream, support), support, 0.05)
    assert lower - 1e-9 <= sum(stream) / len(stream) <= upper + 1e-9


@given(values, st.floats(-0.9, 0.9))
def test_a_bound_lies_below_what_is_disproved(stream: list[float], threshold: float) -> None:
    support = grid(-1.0, 1.0)
    counts = counted(stream, support)
    log_bar = math.log(1 / 0.05)
    wealth = log_wealth(counts, support, "at least", threshold)
    if abs(wealth - log_bar) > 1e-6:
        assert (bounds(counts, support, 0.05)[1] < threshold) == (wealth > log_bar)


@given(st.floats(-1, 1))
def test_a_value_keeps_its_mean_when_it_is_split_between_points(value: float) -> None:
    support = grid(-1.0, 1.0)
    parts = shares(value, support)
    assert parts.sum() == pytest.approx(1)
    assert parts.min() >= 0
    assert parts @ support == pytest.approx(value, abs=1e-12)


def lehmer(kind: str) -> list[float]:
    """The same thousand differences on every machine (Park and Miller's generator)."""
    state, stream = 7, []

    def number() -> float:
        nonlocal state
        state = state * 48271 % 2147483647
        return state / 2147483647

    for _ in range(1000):
        match kind:
            case "rare":
                stream.append(float(number() < 0.01) - float(number() < 0.01))
            case "half":
                stream.append(float(number() < 0.5) - float(number() < 0.5))
            case _:
                stream.append((number() + number()) / 2 - (number() + number()) / 2 + 0.05)
    return stream


#: Bounds of `betting_cs` of confseq (commit 70b1ef3, NumPy 1.26) with alpha .1 for both bounds
#: together, of (d + 1) / 2 on 4,000 breaks, after 300 and 1,000 differences.
CONFSEQ = {
    "rare": ((-0.0380, 0.0265), (-0.0175, 0.0120)),
    "half": ((-0.0595, 0.2170), (-0.0470, 0.1205)),
    "smooth": ((-0.0135, 0.0750), (0.0100, 0.0625)),
}


@pytest.mark.parametrize("kind", CONFSEQ)
def test_bounds_are_as_narrow_as_those_of_an_independent_implementation(kind: str) -> None:
    stream = lehmer(kind)
    support = grid(-1.0, 1.0) if kind == "smooth" else THREE
    for after, (lower, upper) in zip((300, 1000), CONFSEQ[kind], strict=True):
        own = bounds(counted(stream[:after], support), support, 0.05)
        assert max(own[0], lower) < min(own[1], upper)
        assert own[1] - own[0] < 1.05 * (upper - lower)


def test_a_confidence_sequence_holds_at_every_look() -> None:
    """500 runs of 400 looks; each bound may fail in 5 % of the runs."""
    rng = np.random.default_rng(3)
    counts = np.zeros((500, 3))
    failed = np.zeros((2, 500), dtype=bool)
    for _ in range(400):
        counts += shares((rng.random(500) < 0.2) * 1.0 - (rng.random(500) < 0.1), THREE)
        failed[0] |= log_wealth(counts, THREE, "at least", 0.1) >= math.log(20)
        failed[1] |= log_wealth(counts, THREE, "at most", 0.1) >= math.log(20)
    assert failed.mean(axis=1).max() <= 0.05
