"""Counting a decision, the first time and every time after: the same function does both, so a
record that is counted again gives the same result or was changed.

What counts is which answers are the same, not their words: each distinct answer has a number, its
ballot, and with these a vote is counted as well when the words are gone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from runtime.audit.record import Candidate, Counting, Lost, Record, Result, Ruling
from runtime.consensus import Ballot, Rules, Verdict, canonical, settle
from runtime.consensus.prose import ruled


def ballots_of(candidates: Sequence[Candidate]) -> list[Ballot]:
    """The candidates as the vote sees them."""
    return [
        Ballot(
            candidate.member,
            candidate.weight,
            _form(candidate),
            candidate.arrived,
        )
        for candidate in candidates
    ]


def numbered(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates with their ballots: equal answers, equal numbers, from 0 on."""
    numbers: dict[str, int] = {}
    return [
        candidate
        if candidate.ballot is not None or (form := _form(candidate)) is None
        else candidate.model_copy(update={"ballot": numbers.setdefault(form, len(numbers))})
        for candidate in candidates
    ]


def rules_of(counting: Counting, options: Sequence[str] | None) -> Rules:
    """How to count the answers to a question with these options."""
    return Rules(
        minimum_votes=counting.minimum_votes,
        when_no_quorum=counting.when_no_quorum,
        choices=len(options) if options else None,
        method=counting.method,
        minimum_confidence_percent=counting.minimum_confidence_percent,
        prose=counting.prose,
    )


def count(
    candidates: Sequence[Candidate],
    counting: Counting,
    options: Sequence[str] | None,
    fallback_line: str,
    ruling: Ruling | None = None,
) -> Result:
    """What the candidates come to."""
    candidates = numbered(candidates)
    verdict = settle(ballots_of(candidates), rules_of(counting, options))
    if ruling is not None and (ruling.pick or ruling.text):
        verdict = ruled(verdict, ballots_of(candidates), ruling.pick, ruling.shown)
    winner = next((each for each in candidates if each.member == verdict.member), None)
    words = _words(winner, verdict, ruling)
    if words is None:
        decision = options[0] if options else fallback_line
        text: str | None = fallback_line
    else:
        decision = words
        text = None if options else words
    return Result(
        decision=decision,
        text=text,
        outcome=verdict.outcome,
        confidence=verdict.confidence,
        agreement=verdict.agreement,
        ballot=winner.ballot if winner else None,
    )


def explained(candidates: Sequence[Candidate], result: Result, rules: Rules) -> list[Candidate]:
    """The candidates with their ballots, and why each of them lost."""
    return [
        candidate.model_copy(update={"lost": _lost(candidate, result, rules)})
        for candidate in numbered(candidates)
    ]


def replay(record: Record) -> Result:
    """Count a recorded decision again. Equal to ``record.result``, or the record was changed."""
    return count(
        record.candidates, record.counting, record.options, record.fallback_line, record.ruling
    )


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that came out differently."""

    field: str
    recorded: object
    counted: object


def differences(record: Record) -> list[Difference]:
    """What is not as recorded when a decision is counted again. Empty: nothing."""
    recorded, counted = record.result.dump(), replay(record).dump()
    return [
        Difference(field, recorded.get(field), counted.get(field))
        for field in sorted(recorded.keys() | counted.keys())
        if recorded.get(field) != counted.get(field)
    ]


def _form(candidate: Candidate) -> str | None:
    """What makes its answer the same as another's."""
    if candidate.ballot is not None:
        return f"ballot {candidate.ballot}"
    if candidate.answer is None:
        return None
    return canonical(candidate.answer) if candidate.follows is None else f"as {candidate.follows}"


def _words(winner: Candidate | None, verdict: Verdict, ruling: Ruling | None) -> str | None:
    if verdict.outcome == "Fused":
        return ruling.text if ruling else None
    return winner.answer if winner else None


def _lost(candidate: Candidate, result: Result, rules: Rules) -> Lost | None:
    match candidate.state:
        case "Failed" | "Skipped":
            return candidate.state
        case "Cancelled":
            return "Settled"
    if candidate.weight == 0:
        return None if candidate.ballot == result.ballot else "NoWeight"
    match result.outcome:
        case "Fused":
            return None  # all of them are in it
        case "Abstained" | "Fallback":
            return "Unsure"
    if candidate.ballot == result.ballot:
        return None
    if result.outcome == "Judged":
        return "NotPicked"
    if rules.method == "First":
        return "Later"
    summed = rules.choices is not None or rules.prose == "Cluster"
    return "Outvoted" if summed and result.outcome == "Vote" else "Outweighed"
