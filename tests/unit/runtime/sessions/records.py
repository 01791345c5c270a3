"""Records of decisions with what a store cares about."""

from runtime.audit import Place, Record
from runtime.audit.record import Counting, Result
from runtime.sessions import Claim

_random = iter(range(10**6))


def record(
    session: str, turn: int, *, key: str | None = None, id: str = "", answer: str = "yes"
) -> Record:
    """A decision that is turn number ``turn``; with an id as if the log had given it."""
    return Record(
        id=id or f"d-{turn - 1}-{next(_random):08x}",
        time="2026-11-23T05:01:44.310Z",
        storyteller="bard",
        session=session,
        place=Place(turn=turn),
        question=f"Question {turn}?",
        candidates=[],
        counting=Counting(minimum_votes=1, when_no_quorum="Fallback"),
        fallback_line="…",
        result=Result(decision=answer, outcome="Vote", confidence=1.0, agreement=1.0),
        latency_ms=1,
        routes_generation=1,
        config_generation=1,
        trace_id="0" * 32,
        idempotency_key=key,
    )


def of(claim: Claim, **more: str) -> Record:
    """The decision of a claimed turn."""
    return record(claim.session.id, claim.number, **more)
