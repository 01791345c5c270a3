"""Free texts before a judge: which of them it sees, in which order, and what its word means.

A judge favours what stands first, and names that it knows (Zheng et al., Judging LLM-as-a-judge,
2023). So texts are shown under letters and in an order that is drawn for each decision. The draw
follows from the recorded seed, and the record says who stood behind which letter.
"""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

from runtime.consensus.vote import Ballot, Rules, Verdict, settle

LETTERS = "ABCDEFGHIJKLMNOP"


def to_rule_on(ballots: Sequence[Ballot], rules: Rules, seed: str) -> list[str]:
    """The members whose texts a judge should see, in order; none when there is nothing to judge:
    the question has options, too few answered, or they said the same.

    Of members who said the same the heaviest is shown. Members of weight 0 are not.
    """
    if rules.choices is not None or rules.method not in ("Judge", "Fuse"):
        return []
    if settle(ballots, rules).outcome != "Vote":
        return []
    heaviest: dict[str, Ballot] = {}
    for ballot in ballots:
        if ballot.answer is None or ballot.weight == 0:
            continue
        known = heaviest.get(ballot.answer)
        if known is None or ballot.weight > known.weight:
            heaviest[ballot.answer] = ballot
    if len(heaviest) < 2:
        return []
    members = [ballot.member for ballot in heaviest.values()]
    return sorted(members, key=lambda member: sha256(f"order {seed} {member}".encode()).digest())


def letters(number: int) -> tuple[str, ...]:
    """The names under which so many texts are shown."""
    return tuple(LETTERS[:number])


def picked(letter: str, shown: Sequence[str]) -> str | None:
    """The member behind a letter; None: there is none.

    >>> picked("B", ["oracle", "jester"])
    'jester'
    """
    at = LETTERS.find(letter) if len(letter) == 1 else -1
    return shown[at] if 0 <= at < len(shown) else None


def ruled(
    verdict: Verdict, ballots: Sequence[Ballot], pick: str | None, shown: Sequence[str]
) -> Verdict:
    """The verdict after a ruling: the text of ``pick``, or one written from all that were shown.

    What backs a picked text is the weight of those who said it; what backs a written one is the
    weight of those whose texts are in it.
    """
    said = {ballot.member: ballot.answer for ballot in ballots}
    answer = said.get(pick) if pick is not None else None
    inside = {said[member] for member in shown} if pick is None else {answer}
    weight = sum(ballot.weight for ballot in ballots if ballot.answer in inside - {None})
    return replace(
        verdict,
        outcome="Fused" if pick is None else "Judged",
        answer=answer,
        member=pick,
        weight_for=weight,
    )
