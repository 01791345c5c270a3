"""What a row of promotions may add up to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.delivery.margins import after, left

MARGIN, BUDGET = 0.02, 0.05


@given(st.lists(st.floats(-0.05, MARGIN), max_size=30))
def test_promotions_within_their_margins_never_cost_more_than_the_budget(
    uppers: list[float],
) -> None:
    """The level is that of a metric whose differences are as bad as their upper bounds allow."""
    spent, level, best = 0.0, 0.5, 0.5
    for upper in uppers:
        if left(BUDGET, spent) < MARGIN:
            break
        spent, level = after(spent, upper), level + upper
        best = min(best, level)
        assert level - best <= BUDGET + 1e-9


def test_what_is_left_is_never_less_than_nothing() -> None:
    assert left(0.03, 0.025) == pytest.approx(0.005)
    assert left(0.03, 0.05) == 0.0


def test_what_was_proven_better_gives_back_and_is_not_handed_out_again() -> None:
    assert after(0.02, -0.015) == pytest.approx(0.005)
    assert after(0.02, -0.5) == 0.0
