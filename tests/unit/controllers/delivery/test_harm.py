"""Harm in binary outcomes: exact by enumeration, and the same for one run as for many."""

import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.delivery.harm import PRIOR, Harm, observe
from controllers.delivery.plan import Sizes

RATES = [Fraction(n, 10) for n in (0, 1, 3, 5, 9, 10)]


def exact(stream: tuple[tuple[int, int], ...], block: Sizes = (1, 1)) -> Fraction:
    """The e-value in fractions, written from the papers and not from the module."""
    sessions, others = block
    prior, e, bad_a, bad_b = Fraction(18, 100), Fraction(1), 0, 0
    for at, (x, y) in enumerate(stream):
        a = (bad_a + prior) / (at * sessions + 2 * prior)
        b = (bad_b + prior) / (at * others + 2 * prior)
        m = (sessions * a + others * b) / (sessions + others)
        if a > b:
            top = a**x * (1 - a) ** (sessions - x) * b**y * (1 - b) ** (others - y)
            e *= top / (m ** (x + y) * (1 - m) ** (sessions + others - x - y))
        bad_a, bad_b = bad_a + x, bad_b + y
    return e


def likely(bad: int, sessions: int, rate: Fraction) -> Fraction:
    return Fraction(math.comb(sessions, bad)) * rate**bad * (1 - rate) ** (sessions - bad)


def log_e(stream: tuple[tuple[int, int], ...], block: Sizes = (1, 1)) -> float:
    harm = Harm()
    for x, y in stream:
        harm = observe(harm, x, y, block)
    return float(harm.log_e)


@pytest.mark.parametrize(("block", "length"), [((1, 1), 4), ((1, 3), 3), ((2, 1), 3)])
def test_under_every_null_the_e_value_is_expected_to_be_at_most_one(
    block: Sizes, length: int
) -> None:
    outcomes = list(product(range(block[0] + 1), range(block[1] + 1)))
    streams = list(product(outcomes, repeat=length))
    values = {stream: exact(stream, block) for stream in streams}
    for canary, baseline in product(RATES, RATES):
        if canary > baseline:
            continue
        chance = {
            (x, y): likely(x, block[0], canary) * likely(y, block[1], baseline) for x, y in outcomes
        }
        expected = sum(
            math.prod((chance[pair] for pair in stream), start=Fraction(1)) * values[stream]
            for stream in streams
        )
        assert expected <= 1


def test_the_rates_may_move_from_pair_to_pair_together() -> None:
    values = {s: exact(s) for s in product(list(product((0, 1), (0, 1))), repeat=3)}
    for rates in product(RATES[1:5], repeat=3):
        expected = sum(
            math.prod(
                (
                    likely(x, 1, rate) * likely(y, 1, rate)
                    for (x, y), rate in zip(stream, rates, strict=True)
                ),
                start=Fraction(1),
            )
            * value
            for stream, value in values.items()
        )
        assert expected <= 1


@pytest.mark.parametrize("block", [(1, 1), (1, 3), (2, 1)])
def test_it_computes_what_the_papers_say(block: Sizes) -> None:
    assert PRIOR == 0.18
    outcomes = list(product(range(block[0] + 1), range(block[1] + 1)))
    for first, second, third in product(outcomes, repeat=3):
        stream = first, second, third
        assert log_e(stream, block) == pytest.approx(math.log(exact(stream, block)), abs=1e-12)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60))
def test_a_better_canary_is_neither_evidence_nor_loss(pairs: list[tuple[bool, bool]]) -> None:
    better = tuple((0, int(y)) for _, y in pairs)
    assert log_e(better) == 0.0


def test_many_runs_at_once_are_the_same_as_one_by_one() -> None:
    rng = np.random.default_rng(1)
    canary, baseline = rng.random((50, 7)) < 0.3, rng.random((50, 7)) < 0.1
    together = Harm(*(np.zeros(7) for _ in range(4)))
    for at in range(50):
        together = observe(together, canary[at] * 1.0, baseline[at] * 1.0)
    for run in range(7):
        alone = tuple(zip(canary[:, run].astype(int), baseline[:, run].astype(int), strict=True))
        assert np.asarray(together.log_e)[run] == log_e(alone)
