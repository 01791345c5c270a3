"""Counting a decision, the first time and every time after: the same function does both, so a
record that is counted again gives the same result or was changed."""

from collections.abc import Sequence

from runtime.audit.record import Candidate, Counting, Record, Result
from runtime.consensus import Ballot, Rules, canonical, settle


def ballots_of(candidates: Sequence[Candidate]) -> list[Ballot]:
    """The candidates as the vote sees them."""
    return [
        Ballot(
            candidate.member,
            candidate.weight,
            None if candidate.answer is None else canonical(candidate.answer),
        )
        for candidate in candidates
    ]


def rules_of(counting: Counting, options: Sequence[str] | None) -> Rules:
    """How to count the answers to a question with these options."""
    return Rules(
        minimum_votes=counting.minimum_votes,
        when_no_quorum=counting.when_no_quorum,
        choices=len(options) if options else None,
    )


def count(
    candidates: Sequence[Candidate],
    counting: Counting,
    options: Sequence[str] | None,
    fallback_line: str,
) -> Result:
    """What the candidates come to."""
    verdict = settle(ballots_of(candidates), rules_of(counting, options))
    words = next(
        (candidate.answer for candidate in candidates if candidate.member == verdict.member), None
    )
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
    )


def replay(record: Record) -> Result:
    """Count a recorded decision again. Equal to ``record.result``, or the record was changed."""
    return count(record.candidates, record.counting, record.options, record.fallback_line)
