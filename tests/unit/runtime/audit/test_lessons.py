"""Which decisions members may be judged by, and what outcomes say of them."""

import copy
from typing import Any

import pytest

from runtime.audit import OutcomeEntry, Record
from runtime.audit.entry import ERASED
from runtime.audit.lessons import NOBODY, heard, truth
from runtime.gateway.interfaces.examples import OUTCOME, RECORD


def record(**changes: Any) -> Record:
    return Record.model_validate({**copy.deepcopy(RECORD), "complete": True, **changes})


def outcome(**changes: Any) -> OutcomeEntry:
    said = dict.fromkeys(("answer", "ballot", "option", "score"))
    return OutcomeEntry.model_validate({**OUTCOME, **said, **changes})


def test_a_complete_decision_tells_who_said_what() -> None:
    found = heard(record(), "gate")
    assert found is not None
    assert (found.task, found.day, found.options) == ("gate", 20780, 3)
    assert found.answers == {"chronicler": "0", "oracle": "0", "jester": None}
    assert found.decision == "0"
    assert found.stated == {}


def test_how_sure_a_model_was_of_its_words_is_what_it_stated() -> None:
    candidates = [{**each, "certainty": 0.807} for each in RECORD["candidates"][:2]]
    found = heard(record(candidates=candidates), "gate")
    assert found is not None
    assert found.stated == {"chronicler": 81, "oracle": 81}


@pytest.mark.parametrize("outcome", ["Fallback", "Abstained"])
def test_what_nobody_decided_is_no_decision_of_the_ensemble(outcome: str) -> None:
    found = heard(record(result={**RECORD["result"], "outcome": outcome}), "gate")
    assert found is not None
    assert found.decision is None


@pytest.mark.parametrize("changes", [{"complete": False}, {"options": None}])
def test_members_are_not_judged_by_what_was_cut_short_or_has_no_right_answer(
    changes: dict[str, Any],
) -> None:
    assert heard(record(**changes), "gate") is None


def test_an_erased_decision_teaches_what_it_did_before() -> None:
    whole = record()
    blank = [each.model_copy(update={"answer": ERASED}) for each in whole.candidates]
    erased = whole.model_copy(update={"erased": True, "candidates": blank, "options": [ERASED] * 3})
    assert heard(erased, "gate") == heard(whole, "gate")


@pytest.mark.parametrize(
    ("options", "said", "right"),
    [
        (3, {"answer": "x", "ballot": 1, "option": 2}, "1"),
        (3, {"answer": "x", "option": 2}, NOBODY),
        (3, {"answer": "he sings"}, None),
        (3, {"score": "1"}, None),
        (2, {"score": "1"}, "0"),
        (2, {"score": "0.6"}, "0"),
        (2, {"score": "0.500"}, None),
        (2, {"score": "0"}, "1"),
        (2, {"score": "0", "answer": "x", "ballot": 0, "option": 0}, "0"),
        (2, {"score": "0", "answer": "he sings"}, None),
    ],
)
def test_what_was_right_is_taken_from_the_answer_or_else_from_the_score(
    options: int, said: dict[str, Any], right: str | None
) -> None:
    assert truth(record(options=["a", "b", "c"][:options]), outcome(**said)) == right


def test_a_score_says_nothing_of_a_fallback() -> None:
    fallback = {**RECORD["result"], "outcome": "Fallback", "ballot": None}
    assert truth(record(options=["a", "b"], result=fallback), outcome(score="0")) is None
