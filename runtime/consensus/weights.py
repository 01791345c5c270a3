"""Weights learned from outcomes, as whole numbers.

They are rounded once, before anything is counted. Sums are then exact, ties are ties, and the vote
with its early exit is the one that declared weights use; the numbers stand in the record of the
decision, and counting it again needs nothing that was learned since.
"""

from collections.abc import Mapping, Sequence

from runtime.consensus.correlation import Correlations, correlation, error_correlations
from runtime.consensus.evidence import Evidence
from runtime.consensus.skill import Marks, declared_log_odds, log_odds_of, marks, posterior

#: Weights are log-odds in thousandths of a nat.
NAT = 1000
_MAX_ROUNDS = 1000
_CONVERGED = 1e-9


def learned_weights(
    evidence: Evidence, task: str, options: int, declared: Mapping[str, int], today: int
) -> dict[str, int]:
    """The weight of each member on a question.

    Members of declared weight 0 keep it: that is the author's word. The others have at least 1, so
    that a member that adds nothing to the others still makes a quorum, but moves only what is even.
    Until the first outcome the declared weights count as they are.

    Args:
        options: how many options the question has, at least 2.
        declared: every member of the ensemble with its declared weight.
        today: in days since 1970-01-01.
    """
    voters = [member for member, weight in declared.items() if weight > 0]
    here, others = evidence.of(task, today), evidence.beside(task, today)
    known, elsewhere = marks(here), [marks(counts) for counts in others]
    if not any(_teaches(each) for each in (known, *elsewhere)):
        return dict(declared)
    prior = declared_log_odds(declared)
    log_odds = {}
    for member in voters:
        apart = [each[member] for each in elsewhere if member in each]
        skill = posterior(options, prior[member], known.get(member, {}), apart)
        log_odds[member] = log_odds_of(skill, options)
    best = decorrelate(log_odds, error_correlations(voters, here, others))
    return {
        member: max(1, round(NAT * best[member])) if weight > 0 else 0
        for member, weight in declared.items()
    }


def decorrelate(log_odds: Mapping[str, float], correlations: Correlations) -> dict[str, float]:
    """The weights w >= 0 that make w'l - w'Rw / 2 largest, for log-odds l and correlations R.

    Without the bound that is R**-1 l, Fisher's discriminant for votes whose errors are correlated;
    for R = 1 it is the log-odds themselves (naive Bayes), and as all correlations go to 1 only the
    best member is left. The bound keeps a member that others imply from voting against itself.

    Coordinate ascent: each step is the exact maximum in one weight. With correlations from 0 to 1
    and weights from 0 up, w'Rw >= w'w, so it is bounded and converges.
    """
    members = list(log_odds)
    weights = dict.fromkeys(members, 0.0)
    for _ in range(_MAX_ROUNDS):
        moved = 0.0
        for member in members:
            shared = _shared(member, members, weights, correlations)
            best = max(0.0, log_odds[member] - shared)
            moved = max(moved, abs(best - weights[member]))
            weights[member] = best
        if moved < _CONVERGED:
            break
    return weights


def _shared(
    member: str, members: Sequence[str], weights: Mapping[str, float], correlations: Correlations
) -> float:
    """How much of a member's say the others have already."""
    return sum(
        correlation(correlations, member, other) * weights[other]
        for other in members
        if other != member
    )


def _teaches(known: Mapping[str, Marks]) -> bool:
    """Whether any answer is still counted."""
    return any(right + wrong > 0 for of in known.values() for right, wrong in of.values())
