"""How far members err together, and what that leaves of their number.

The error correlation of two members is the correlation of "was wrong" (phi) over the decisions that
both answered. What few decisions say of one pair is shrunk towards what all pairs say, and that
towards independence, as Ledoit and Wolf (2004) shrink a matrix towards constant correlation. Below
0 it counts as 0: a lucky streak of complementary errors buys nobody weight.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

from runtime.consensus.evidence import Counts, pairs

#: Decisions with an outcome that the prior, no correlation, counts as.
INDEPENDENCE_STRENGTH = 50.0
#: Other tasks count at most so much beside this one.
CARRIED_STRENGTH = 100.0
#: How far pairs are taken to differ, as a variance, before anything is known: by 0.1. That counts
#: as much as so many pairs, and of a pair half is believed after so many decisions.
PAIR_VARIANCE = 0.01
PAIR_VARIANCE_STRENGTH = 3.0
_HALF_BELIEVED = 200.0
_MIN_PAIR_VARIANCE = 1e-4
#: Two members are never taken for one.
_MAX_CORRELATION = 0.99

#: By members, in the order of their names, as `pairs` has them.
Correlations = Mapping[tuple[str, str], float]


def error_correlations(
    members: Iterable[str], task: Counts, others: Sequence[Counts]
) -> Correlations:
    """The correlation of each pair of members on a task, from 0 to 0.99.

    Args:
        task: counts of the task.
        others: counts of each other task.
    """
    known = pairs(members)
    here = {pair: phi(pair, task) for pair in known}
    elsewhere = [phi(pair, counts) for counts in others for pair in known]
    common, strength = 0.0, INDEPENDENCE_STRENGTH
    for seen in (elsewhere, list(here.values())):
        weight = sum(number for _, number in seen)
        if not weight:
            continue
        # Pairs of one decision are no decisions of their own: the mean number counts once.
        number = weight / len(known)
        strength = min(strength, CARRIED_STRENGTH)
        mean = sum(number * value for value, number in seen) / weight
        common = (strength * common + number * mean) / (strength + number)
        strength += number
    own = _strength_of_common(common, list(here.values()))
    return {
        pair: min(max((own * common + number * value) / (own + number), 0.0), _MAX_CORRELATION)
        for pair, (value, number) in here.items()
    }


def _strength_of_common(common: float, seen: Sequence[tuple[float, float]]) -> float:
    """How many decisions of a pair what all pairs say counts for: the variance of one decision
    over the variance between pairs, which is what pairs differ by beyond chance."""
    noise = (1 - common**2) ** 2
    excess, strength = PAIR_VARIANCE_STRENGTH * PAIR_VARIANCE, PAIR_VARIANCE_STRENGTH
    for value, number in seen:
        if number:
            belief = number / (number + _HALF_BELIEVED)
            excess += belief * ((value - common) ** 2 - noise / number)
            strength += belief
    between = excess / strength
    return noise / max(between, _MIN_PAIR_VARIANCE)


def phi(pair: tuple[str, str], counts: Counts) -> tuple[float, float]:
    """The correlation of two members' errors as counted, and in how many decisions. Where one of
    them was always right or always wrong there is none: (0, 0)."""
    one, other = pair
    both, first, second, neither = (
        max(0.0, counts.get(f"{name} {one} {other}", 0.0))
        for name in ("both", "first", "second", "neither")
    )
    spread = (both + first) * (second + neither) * (both + second) * (first + neither)
    if spread <= 0:
        return 0.0, 0.0
    return (both * neither - first * second) / math.sqrt(spread), both + first + second + neither


def correlation(correlations: Correlations, one: str, other: str) -> float:
    """Of two members; 1 of a member with itself."""
    if one == other:
        return 1.0
    return correlations.get((min(one, other), max(one, other)), 0.0)


def effective_voters(weights: Mapping[str, int], correlations: Correlations) -> float:
    """How many independent voters of equal weight the members are worth: (sum w)**2 / w'Rw.

    From 1 to the number of members with a weight. With equal weights and one correlation it is
    n / (1 + (n - 1) rho), Kish's design effect (Survey Sampling, 1965) turned over, which Clemen
    and Winkler (1985) call the equivalent number of independent sources. 0 without weights.
    """
    total = sum(weights.values())
    together = sum(
        weight * other_weight * correlation(correlations, member, other)
        for member, weight in weights.items()
        for other, other_weight in weights.items()
    )
    return total**2 / together if together else 0.0
