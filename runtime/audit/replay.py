"""Counting a decision, the first time and every time after: the same function does both, so a
record that is counted again gives the same result or was changed."""

from collections.abc import Sequence

from runtime.audit.record import Candidate, Counting, Record, Result, Ruling
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
    verdict = settle(ballots_of(candidates), rules_of(counting, options))
    if ruling is not None and (ruling.pick or ruling.text):
        verdict = ruled(verdict, ballots_of(candidates), ruling.pick, ruling.shown)
    words = _words(candidates, verdict, ruling)
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
    return count(
        record.candidates, record.counting, record.options, record.fallback_line, record.ruling
    )


def _form(candidate: Candidate) -> str | None:
    """What makes its answer the same as another's."""
    if candidate.answer is None:
        return None
    return canonical(candidate.answer) if candidate.follows is None else f"as {candidate.follows}"


def _words(candidates: Sequence[Candidate], verdict: Verdict, ruling: Ruling | None) -> str | None:
    if verdict.outcome == "Fused":
        return ruling.text if ruling else None
    return next((each.answer for each in candidates if each.member == verdict.member), None)
