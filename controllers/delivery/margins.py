"""What a row of promotions may add up to.

Ten promotions that each may be two points worse are twenty points worse, and every one was proven.
So a metric has a budget, counted from an anchor: what a promotion may have cost is the upper bound
of its difference at that moment, and the margin of the next one has to fit into what is left. A
promotion that is *proven* better gives back; one better than anything before becomes the anchor, so
that what was gained is not handed out again.
"""


def after(spent: float, upper: float) -> float:
    """What is spent once a canary was promoted whose difference was at most ``upper``.

    Differences of what is bad, in the unit of the budget.
    """
    return max(0.0, spent + upper)


def left(budget: float, spent: float) -> float:
    """The greatest margin that still fits."""
    return max(0.0, budget - spent)
