"""The vote, and when it can be called before everyone has answered."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Literal

Outcome = Literal["Vote", "Judged", "Fused", "BestMember", "Fallback", "Abstained"]
#: How one answer comes of several. `LogOdds` counts as `WeightedVote` does, with other weights;
#: `Judge` and `Fuse` vote on options, and on prose only when no ruling was made.
Method = Literal["WeightedVote", "LogOdds", "Judge", "Fuse", "First"]


@dataclass(frozen=True, slots=True)
class Ballot:
    """What one member said. Ballots stand in the order of the route table, which breaks ties."""

    member: str
    weight: int
    #: The canonical answer; None: it gave none (failed, cut short, or still thinking).
    answer: str | None
    #: Whose answer was whole first: 1, 2, ... None where there is no answer, or nobody noted it.
    arrived: int | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """How answers are counted."""

    minimum_votes: int
    when_no_quorum: Literal["BestMember", "Fallback"]
    #: Distinct answers that a question with options allows; None: free text.
    choices: int | None
    method: Method = "WeightedVote"
    #: An option that less of the ensemble's whole weight backs, in percent, is not decided. Free
    #: text has no agreement that could be too little.
    minimum_confidence_percent: int = 0
    #: What is taken of free texts: the words of the heaviest member, because no two texts are alike
    #: enough to add up; or those of the heaviest group of texts that mean the same, whose ballots
    #: then have one answer (see `runtime.consensus.clusters`).
    prose: Literal["Heaviest", "Cluster"] = "Heaviest"

    @property
    def compares_texts(self) -> bool:
        """Whether it matters which texts mean the same."""
        return self.choices is None and self.prose == "Cluster" and self.method != "First"

    @property
    def teaches(self) -> bool:
        """Whether members can be judged by such a decision: it has a right answer, and it is not
        all about being quick."""
        return self.choices is not None and self.method != "First"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the ballots come to. The weights are sums over members."""

    outcome: Outcome
    #: The canonical answer and the heaviest member who gave it; None with Fallback and Abstained,
    #: and with Fused, whose words are nobody else's.
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
    stands first in the route table. With ``First`` it is the answer that was whole first, which
    nobody else is asked to back. A member of weight 0 decides nothing and makes no quorum.
    """
    total = sum(ballot.weight for ballot in ballots)
    votes = _votes(ballots)
    cast = sum(ballot.weight for _, ballot in votes)
    if rules.method == "First" and votes:
        _, first = min(votes, key=_arrival)
        verdict = Verdict("Vote", first.answer, first.member, first.weight, first.weight, total)
        return _unless_unsure(verdict, rules)
    quorum = len(votes) >= rules.minimum_votes
    if not votes or (not quorum and rules.when_no_quorum == "Fallback"):
        return Verdict("Fallback", None, None, 0, cast, total)
    by_sum = quorum and (rules.choices is not None or rules.prose == "Cluster")
    answer = _leader(votes) if by_sum else _heaviest(votes)[1].answer
    backers = [vote for vote in votes if vote[1].answer == answer]
    verdict = Verdict(
        outcome="Vote" if quorum else "BestMember",
        answer=answer,
        member=_heaviest(backers)[1].member,
        weight_for=sum(ballot.weight for _, ballot in backers),
        weight_cast=cast,
        weight_total=total,
    )
    return _unless_unsure(verdict, rules)


def is_settled(ballots: Sequence[Ballot], waiting: AbstractSet[str], rules: Rules) -> bool:
    """Whether nothing that the members in ``waiting`` may still do changes outcome or answer.

    Each of them may give any answer or none, after those that are in. Exact in both directions:
    True means that every completion agrees, False that two of them differ. For clusters of free
    texts only the first is promised, since what a text will be like cannot be known.
    """
    votes = _votes(ballots)
    open_ = [
        (rank, ballot)
        for rank, ballot in enumerate(ballots)
        if ballot.member in waiting and ballot.weight > 0
    ]
    if not open_:
        return True
    if rules.method == "First":
        return bool(votes)
    quorum = len(votes) >= rules.minimum_votes
    within_reach = len(votes) + len(open_) >= rules.minimum_votes
    if not within_reach and rules.when_no_quorum == "Fallback":
        return True
    if rules.choices is None and rules.method in ("Judge", "Fuse"):
        return False  # every text is one more to judge
    if not votes or (not quorum and rules.when_no_quorum == "Fallback"):
        return False  # whether anything is decided is open itself
    tally = _tally(votes)
    leading = -min(weight for weight, _ in tally.values())
    swing = sum(ballot.weight for _, ballot in open_)
    total = sum(ballot.weight for ballot in ballots)

    def suffices(weight: int) -> bool:
        return _suffices(weight, total, rules)

    if quorum:
        if rules.choices is not None:
            ahead = _no_upset(tally, swing, open_[0][0], rules.choices)
        elif rules.prose == "Cluster":
            ahead = _no_regrouping(votes, open_)
        else:
            ahead = _no_better(votes, open_)
        return (ahead and suffices(leading)) or not suffices(leading + swing)
    if within_reach or not _no_better(votes, open_):
        return not suffices(leading + swing)  # it abstains, whoever comes to lead
    heaviest = -tally[_answer(_heaviest(votes))][0]
    return suffices(heaviest) or not suffices(heaviest + swing)


_Ranked = tuple[int, Ballot]


def _votes(ballots: Sequence[Ballot]) -> list[_Ranked]:
    return [
        (rank, ballot)
        for rank, ballot in enumerate(ballots)
        if ballot.weight > 0 and ballot.answer is not None
    ]


def _answer(vote: _Ranked) -> str:
    answer = vote[1].answer
    assert answer is not None  # noqa: S101  (votes have answers)
    return answer


def _arrival(vote: _Ranked) -> tuple[bool, int, int]:
    rank, ballot = vote
    return ballot.arrived is None, ballot.arrived or 0, rank


def precedence(vote: _Ranked) -> tuple[int, int]:
    """Who comes first of two: the heavier member, or the one that stands first."""
    rank, ballot = vote
    return -ballot.weight, rank


def _heaviest(votes: Sequence[_Ranked]) -> _Ranked:
    return min(votes, key=precedence)


def _no_better(votes: Sequence[_Ranked], waiting: Sequence[_Ranked]) -> bool:
    return precedence(_heaviest(votes)) < precedence(_heaviest(waiting))


def _tally(votes: Sequence[_Ranked]) -> dict[str, tuple[int, int]]:
    """Each answer with its order of preference: minus its weight, then its first supporter."""
    tally: dict[str, tuple[int, int]] = {}
    for rank, ballot in votes:
        answer = _answer((rank, ballot))
        weight, first = tally.get(answer, (0, rank))
        tally[answer] = (weight - ballot.weight, min(first, rank))
    return tally


def _leader(votes: Sequence[_Ranked]) -> str:
    tally = _tally(votes)
    return min(tally, key=tally.__getitem__)


def _no_upset(tally: Mapping[str, tuple[int, int]], swing: int, first: int, choices: int) -> bool:
    """Not even if all who are waited for, the first of them at rank ``first``, agreed on the same
    rival."""
    leader = min(tally, key=tally.__getitem__)
    rivals = [order for answer, order in tally.items() if answer != leader]
    if len(tally) < choices:
        rivals.append((0, first))  # an answer that nobody has given yet
    return all(tally[leader] < (weight - swing, min(rank, first)) for weight, rank in rivals)


def _no_regrouping(votes: Sequence[_Ranked], waiting: Sequence[_Ranked]) -> bool:
    """Not even if all who are waited for joined the same rival group.

    Who is waited for can lead only those who come after it. Groups whose leader comes before all of
    them keep their members; the others may all follow the same newcomer.
    """
    groups: dict[str, list[_Ranked]] = {}
    for vote in votes:
        groups.setdefault(_answer(vote), []).append(vote)
    first = precedence(_heaviest(waiting))
    tally = _tally(votes)
    leader = min(tally, key=tally.__getitem__)
    if precedence(_heaviest(groups[leader])) > first:
        return False
    loose = [
        vote for group in groups.values() if precedence(_heaviest(group)) > first for vote in group
    ]
    swing = sum(ballot.weight for _, ballot in waiting)
    earliest = min(rank for rank, _ in waiting)
    fixed = [order for answer, order in tally.items() if answer != leader]
    rivals = [(weight - swing, min(rank, earliest)) for weight, rank in fixed]
    rivals.append(
        (
            -swing - sum(ballot.weight for _, ballot in loose),
            min([earliest, *(rank for rank, _ in loose)]),
        )
    )
    return all(tally[leader] < rival for rival in rivals)


def _suffices(weight: int, total: int, rules: Rules) -> bool:
    """Whether so much backing is enough to decide."""
    return rules.choices is None or 100 * weight >= rules.minimum_confidence_percent * total


def _unless_unsure(verdict: Verdict, rules: Rules) -> Verdict:
    if _suffices(verdict.weight_for, verdict.weight_total, rules):
        return verdict
    return replace(verdict, outcome="Abstained", answer=None, member=None)


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0
