"""What a row of promotions may add up to.

Ten promotions that each may be two points worse are twenty points worse, and every one was proven.
So a metric has a budget, counted from an anchor: what a promotion may have cost is the upper bound
of its difference at that moment, and the next one gets what is left. A promotion that is *proven*
better gives back; one better than anything before becomes the anchor, so that what was gained is
not handed out again.
"""

from controllers.delivery.plan import Margin


class SpentError(ValueError):
    """No margin is left; the message says what a person can do."""


def after(spent: float, upper: float) -> float:
    """What is spent once a canary was promoted whose difference was at most ``upper``.

    Differences of what is bad, in the metric's unit, or relative to the baseline.
    """
    return max(0.0, spent + upper)


def after_relative(spent: float, upper: float) -> float:
    """The same of relative differences, which multiply: 10 % on 10 % are 21 %."""
    return max(0.0, (1 + spent) * (1 + upper) - 1)


def allowed(name: str, margin: Margin, budget: float, spent: float) -> Margin:
    """The margin that the next canary gets: its own, or what is left of the budget."""
    if margin.relative:
        left = (1 + budget) / (1 + spent) - 1
        if left > 0:
            return Margin(relative=min(margin.relative, left))
    elif (left := budget - spent) > 0:
        return Margin(absolute=min(margin.absolute, left))
    raise SpentError(
        f"metric {name}: promotions since the anchor may have cost {spent:.4g} of {budget:.4g}, so "
        "nothing is left; accept today's level as the new anchor, raise the budget, or improve it"
    )
