"""Records and candidates in protobuf's words."""

from collections.abc import Sequence

from runtime.audit import Candidate, Record
from runtime.protocol.model_ensemble_pb2 import Action, Narrative, PredictResponse

_HOW = {
    "Vote": "by vote",
    "BestMember": "by the best member, since too few answered for a vote",
    "Fallback": "by the declared fallback, since too few answered",
}


def heard(request_id: str, candidate: Candidate, *, prose: bool, whole: int) -> PredictResponse:
    """What one member said. ``whole`` is the weight of all members together."""
    answer = candidate.answer or ""
    response = PredictResponse(
        request_id=request_id,
        model_name=candidate.member,
        confidence=round(candidate.weight / whole, 4) if whole else 0.0,
        reasoning=f"answered after {candidate.latency_ms} ms",
    )
    if prose:
        response.narrative.CopyFrom(Narrative(text=answer))
    else:
        response.action.CopyFrom(Action(choice=answer))
    return response


def decided(request_id: str, record: Record) -> PredictResponse:
    """The decision."""
    result = record.result
    response = PredictResponse(
        request_id=request_id,
        model_name=record.storyteller,
        confidence=result.confidence,
        reasoning=reasoning(record),
        final=True,
        decision_id=record.id,
    )
    if record.options is None:
        response.narrative.CopyFrom(Narrative(text=result.text or result.decision))
    else:
        response.action.CopyFrom(Action(choice=result.decision, text=result.text or ""))
    return response


def reasoning(record: Record) -> str:
    """Who agreed and who did not, as a person would say it."""
    parts = [f"decided {_HOW.get(record.result.outcome, record.result.outcome)}"]
    told = [
        ("for it", [each for each in record.candidates if each.answer == record.result.decision]),
        (
            "against it",
            [
                each
                for each in record.candidates
                if each.answer is not None and each.answer != record.result.decision
            ],
        ),
        ("gave no answer", [each for each in record.candidates if _failed(each)]),
        ("not waited for", [each for each in record.candidates if each.state == "Cancelled"]),
    ]
    parts += [f"{what}: {_names(members)}" for what, members in told if members]
    return "; ".join(parts)


def _failed(candidate: Candidate) -> bool:
    return candidate.state in ("Failed", "Skipped")


def _names(members: Sequence[Candidate]) -> str:
    return ", ".join(f"{each.member} ({each.weight})" for each in members)
