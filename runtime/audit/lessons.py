"""What a recorded decision teaches of the members, once its outcome is known."""

from datetime import datetime

from runtime.audit.record import Record
from runtime.consensus import canonical
from runtime.consensus.evidence import Heard

_SECONDS_A_DAY = 86_400


def heard(record: Record, task: str) -> Heard | None:
    """The decision as the evidence counts it; None when it may not be counted: members were not
    all waited for, it has no right answer, or its words were erased."""
    if not record.complete or record.options is None or record.erased:
        return None
    told = record.result.outcome not in ("Fallback", "Abstained")
    return Heard(
        task=task,
        day=int(datetime.fromisoformat(record.time).timestamp()) // _SECONDS_A_DAY,
        options=len(record.options),
        answers={
            each.member: None if each.answer is None else canonical(each.answer)
            for each in record.candidates
        },
        decision=canonical(record.result.decision) if told else None,
    )
