"""What a recorded decision teaches of the members, once its outcome is known.

Answers are compared by their ballots, which stay when the words are gone: what was learned of an
erased decision can be learned again.
"""

from datetime import datetime
from decimal import Decimal

from runtime.audit.kinds import OutcomeEntry
from runtime.audit.record import Record
from runtime.consensus.evidence import Heard, truth_from_grade

_SECONDS_A_DAY = 86_400
#: The right answer where it was an option and nobody gave it.
NOBODY = "nobody"
_HALF = Decimal("0.5")


def heard(record: Record, task: str) -> Heard | None:
    """The decision as the evidence counts it; None when it may not be counted: members were not
    all waited for, or it has no right answer."""
    if not record.complete or record.options is None:
        return None
    told = record.result.outcome not in ("Fallback", "Abstained")
    return Heard(
        task=task,
        day=int(datetime.fromisoformat(record.time).timestamp()) // _SECONDS_A_DAY,
        options=len(record.options),
        answers={each.member: _form(each.ballot) for each in record.candidates},
        decision=_form(record.result.ballot) if told else None,
        stated={
            each.member: round(100 * each.certainty)
            for each in record.candidates
            if each.certainty is not None
        },
    )


def truth(record: Record, outcome: OutcomeEntry) -> str | None:
    """The right answer to a decision with options, as `heard` has answers. None: the outcome does
    not tell it. An answer that was no option, and a score of one half, tell nothing."""
    if outcome.ballot is not None:
        return _form(outcome.ballot)
    if outcome.option is not None:
        return NOBODY
    decision = _form(record.result.ballot)
    if outcome.answer is not None or outcome.score is None or decision is None:
        return None
    score = Decimal(outcome.score)
    if score == _HALF:
        return None
    # Where there are two options, ballots 0 and 1 are they, given or not.
    options = [str(number) for number in range(len(record.options or ()))]
    return truth_from_grade(options, decision, right=score > _HALF)


def _form(ballot: int | None) -> str | None:
    return None if ballot is None else str(ballot)
