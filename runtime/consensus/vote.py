"""The weighted vote, and when it can be called before everyone has answered."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["Vote", "BestMember", "Fallback"]


@dataclass(frozen=True, slots=True)
class Ballot:
    """What one member said. Ballots stand in the order of the route table, which breaks ties."""

    member: str
    weight: int
    #: The canonical answer; None: it gave none (failed, cut short, or still thinking).
    answer: str | None


@dataclass(frozen=True, slots=True)
class Rules:
    """How answers are counted."""

    minimum_votes: int
    when_no_quorum: Literal["BestMember", "Fallback"]
    #: Distinct answers that a question with options allows; None: free text, where the words of
    #: the heaviest member are taken because no two texts are alike enough to add up.
    choices: int | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the ballots come to. The weights are sums over members."""

    outcome: Outcome
    #: The canonical answer and the heaviest member who gave it; None with Fallback.
    answer: str | None
    member: str | None
    weight_for: int
    weight_cast: int
    weight_total: int

    @property
    def confidence(self) -> float:
        """Share of the whole ensemble's weight known to back the answer: silence counts against
        it. It is not a probability of being right."""
        return _share(self.weight_for, self.weight_total)

    @property
    def agreement(self) -> float:
        """Share of the weight that was cast which backs the answer."""
        return _share(self.weight_for, self.weight_cast)


def settle(ballots: Sequence[Ballot], rules: Rules) -> Verdict:
    """Count the ballots.

    The answer with the largest sum of weights wins; among equals, the one whose first supporter
    stands first in the route table. A member of weight 0 decides nothing and makes no quorum.
    """
    total = sum(ballot.weight for ballot in ballots)
    votes = _votes(ballots)
    cast = sum(ballot.weight for _, ballot in votes)
    quorum = len(votes) >= rules.minimum_votes
    if not votes or (not quorum and rules.when_no_quorum == "Fallback"):
        return Verdict("Fallback", None, None, 0, cast, total)
    by_sum = quorum and rules.choices is not None
    answer = _leader(votes) if by_sum else _heaviest(votes)[1].answer
    backers = [vote for vote in votes if vote[1].answer == answer]
    return Verdict(
        outcome="Vote" if quorum else "BestMember",
        answer=answer,
        member=_heaviest(backers)[1].member,
        weight_for=sum(ballot.weight for _, ballot in backers),
        weight_cast=cast,
        weight_total=total,
    )


def is_settled(ballots: Sequence[Ballot], waiting: AbstractSet[str], rules: Rules) -> bool:
    """Whether nothing that the members in ``waiting`` may still do changes outcome or answer.

    Each of them may give any answer or none. Exact in both directions: True means that every
    completion agrees, False that two of them differ.
    """
    votes = _votes(ballots)
    open_ = [
        (rank, ballot)
        for rank, ballot in enumerate(ballots)
        if ballot.member in waiting and ballot.weight > 0
    ]
    if not open_:
        return True
    if len(votes) >= rules.minimum_votes:
        if rules.choices is None:
            return _no_better(votes, open_)
        return _no_upset(votes, open_, rules.choices)
    if len(votes) + len(open_) >= rules.minimum_votes:
        return False  # the quorum itself is open
    if rules.when_no_quorum == "Fallback":
        return True
    return bool(votes) and _no_better(votes, open_)


_Ranked = tuple[int, Ballot]


def _votes(ballots: Sequence[Ballot]) -> list[_Ranked]:
    return [
        (rank, ballot)
        for rank, ballot in enumerate(ballots)
        if ballot.weight > 0 and ballot.answer is not None
    ]


def _precedence(vote: _Ranked) -> tuple[int, int]:
    rank, ballot = vote
    return -ballot.weight, rank


def _heaviest(votes: Sequence[_Ranked]) -> _Ranked:
    return min(votes, key=_precedence)


def _no_better(votes: Sequence[_Ranked], waiting: Sequence[_Ranked]) -> bool:
    return _precedence(_heaviest(votes)) < _precedence(_heaviest(waiting))


def _tally(votes: Sequence[_Ranked]) -> dict[str, tuple[int, int]]:
    """Each answer with its order of preference: minus its weight, then its first supporter."""
    tally: dict[str, tuple[int, int]] = {}
    for rank, ballot in votes:
        assert ballot.answer is not None  # noqa: S101  (votes have answers)
        weight, first = tally.get(ballot.answer, (0, rank))
        tally[ballot.answer] = (weight - ballot.weight, min(first, rank))
    return tally


def _leader(votes: Sequence[_Ranked]) -> str:
    tally = _tally(votes)
    return min(tally, key=tally.__getitem__)


def _no_upset(votes: Sequence[_Ranked], waiting: Sequence[_Ranked], choices: int) -> bool:
    """Not even if all who are waited for agreed on the same rival."""
    tally = _tally(votes)
    leader = min(tally, key=tally.__getitem__)
    swing = sum(ballot.weight for _, ballot in waiting)
    first = min(rank for rank, _ in waiting)
    rivals = [order for answer, order in tally.items() if answer != leader]
    if len(tally) < choices:
        rivals.append((0, first))  # an answer that nobody has given yet
    return all(tally[leader] < (weight - swing, min(rank, first)) for weight, rank in rivals)


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0
