"""How good each member is: from declared weights, moved by outcomes.

A member's *skill* s is the share of questions that it knows the answer to, if it guesses the rest:
on K options it is then right with probability p = 1/K + s (1 - 1/K). Skill is what an answer to two
options and an answer to ten have in common, so outcomes of both add up.
"""

import math
from collections.abc import Mapping, Sequence

from runtime.consensus.evidence import Counts

#: How often a member of average declared weight is taken to be right on two options, before
#: anything is known.
TYPICAL_ACCURACY = 0.7
#: How much declared weights count against outcomes: as much as 20 answers to questions with two
#: options (a skill of 1 would gain 10 points of formula score on them).
PRIOR_STRENGTH = 10.0
#: What is learned on other tasks, or on the same task with another number of options, counts at
#: most so much: as 60 answers to questions with two options.
CARRIED_STRENGTH = 30.0
#: No member is believed to be right always.
_MAX_SKILL = 0.999

#: Right and wrong answers of a member, by number of options.
Marks = Mapping[int, tuple[float, float]]


def declared_log_odds(declared: Mapping[str, int]) -> dict[str, float]:
    """Declared weights, read as log-odds. A weighted vote with these weights is the best there is
    when weights are proportional to log-odds; the factor puts the mean of the weights above 0 at
    TYPICAL_ACCURACY."""
    counting = [weight for weight in declared.values() if weight > 0]
    if not counting:
        return dict.fromkeys(declared, 0.0)
    unit = math.log(TYPICAL_ACCURACY / (1 - TYPICAL_ACCURACY)) * len(counting) / sum(counting)
    return {member: unit * weight for member, weight in declared.items()}


def skill_of(log_odds: float, options: int) -> float:
    """The skill at which a right answer is e**log_odds times as likely as each wrong one.

    >>> round(skill_of(math.log(4.0), options=2), 3)  # right four times of five
    0.6
    """
    odds = math.exp(log_odds)
    return (odds - 1) / (odds + options - 1)


def log_odds_of(skill: float, options: int) -> float:
    """log(p (K - 1) / (1 - p)), the weight that serves independent voters best (Nitzan and Paroush
    1982; for K options and errors spread evenly Ben-Yashar and Paroush 2001), never below 0.

    >>> round(log_odds_of(0.6, options=2), 3) == round(math.log(4.0), 3)
    True
    """
    known = min(max(skill, 0.0), _MAX_SKILL)
    return math.log((1 + known * (options - 1)) / (1 - known))


def marks(counts: Counts) -> dict[str, Marks]:
    """Each member's right and wrong answers by number of options."""
    found: dict[str, dict[int, tuple[float, float]]] = {}
    for name, number in counts.items():
        how, _, rest = name.partition(" ")
        if how in ("right", "wrong"):
            member, _, options = rest.partition(" ")
            of = found.setdefault(member, {})
            right, wrong = of.get(int(options), (0.0, 0.0))
            of[int(options)] = (
                (right + number, wrong) if how == "right" else (right, wrong + number)
            )
    return dict(found)


def posterior(options: int, log_odds: float, task: Marks, others: Sequence[Marks]) -> float:
    """The skill of a member on a task with so many options.

    Each level is the prior of the next: declared weight, other tasks, this task with other numbers
    of options, this task with this number. On one number of options it is the mean of a Beta
    posterior.

    Args:
        log_odds: by its declared weight.
        task: its marks on the task.
        others: its marks on each other task.
    """
    skill, strength = skill_of(log_odds, options), PRIOR_STRENGTH
    levels = (
        [mark for other in others for mark in other.items()],
        [mark for mark in task.items() if mark[0] != options],
        [mark for mark in task.items() if mark[0] == options],
    )
    for level in levels:
        # Formula score: right answers less what guessing gives, and what knowing all would give.
        gained = sum(right - (right + wrong) / of for of, (right, wrong) in level)
        possible = sum((right + wrong) * (1 - 1 / of) for of, (right, wrong) in level)
        strength = min(strength, CARRIED_STRENGTH)
        skill = (strength * skill + gained) / (strength + possible)
        strength += possible
    return min(max(skill, 0.0), _MAX_SKILL)
