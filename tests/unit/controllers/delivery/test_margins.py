"""What a row of promotions may add up to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.delivery.margins import SpentError, after, after_relative, allowed
from controllers.delivery.plan import Margin


@given(st.lists(st.floats(-0.05, 0.02), max_size=30))
def test_promotions_within_their_margins_never_cost_more_than_the_budget(
    uppers: list[float],
) -> None:
    """The level is that of a metric whose differences are as bad as their upper bounds allow."""
    spent, level, best = 0.0, 0.5, 0.5
    for upper in uppers:
        try:
            margin = allowed("errors", Margin(absolute=0.02), 0.03, spent)
        except SpentError:
            break
        upper = min(upper, margin.absolute)
        spent, level = after(spent, upper), level + upper
        best = min(best, level)
        assert level - best <= 0.03 + 1e-9


def test_the_last_margin_is_what_is_left() -> None:
    assert allowed("errors", Margin(absolute=0.02), 0.03, 0.025).absolute == pytest.approx(0.005)
    left = allowed("latency", Margin(relative=0.1), 0.15, 0.1)
    assert left.relative == pytest.approx(1.15 / 1.1 - 1)


def test_relative_costs_multiply() -> None:
    assert after_relative(after_relative(0.0, 0.1), 0.1) == pytest.approx(0.21)


def test_what_was_proven_better_gives_back_and_is_not_handed_out_again() -> None:
    assert after(0.02, -0.015) == pytest.approx(0.005)
    assert after(0.02, -0.5) == 0.0


@pytest.mark.parametrize("margin", [Margin(absolute=0.02), Margin(relative=0.02)])
def test_a_spent_budget_is_refused_with_a_remedy(margin: Margin) -> None:
    with pytest.raises(SpentError, match=r"metric errors: .* raise the budget"):
        allowed("errors", margin, 0.03, 0.03)


def test_an_objective_spends_nothing() -> None:
    assert allowed("joy", Margin(), 0.03, 0.0) == Margin()
