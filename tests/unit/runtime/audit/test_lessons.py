"""Which decisions members may be judged by."""

import copy
from typing import Any

import pytest

from runtime.audit import Record
from runtime.audit.lessons import heard
from runtime.gateway.examples import RECORD


def record(**changes: Any) -> Record:
    return Record.model_validate({**copy.deepcopy(RECORD), "complete": True, **changes})


def test_a_complete_decision_tells_who_said_what() -> None:
    found = heard(record(), "gate")
    assert found is not None
    assert (found.task, found.day, found.options) == ("gate", 20780, 3)
    assert found.answers == {
        "chronicler": "he asks for a song",
        "oracle": "he asks for a song",
        "jester": None,
    }
    assert found.decision == "he asks for a song"


@pytest.mark.parametrize("outcome", ["Fallback", "Abstained"])
def test_what_nobody_decided_is_no_decision_of_the_ensemble(outcome: str) -> None:
    found = heard(record(result={**RECORD["result"], "outcome": outcome}), "gate")
    assert found is not None
    assert found.decision is None


@pytest.mark.parametrize("changes", [{"complete": False}, {"options": None}, {"erased": True}])
def test_members_are_not_judged_by_what_was_cut_short_or_has_no_right_answer(
    changes: dict[str, Any],
) -> None:
    assert heard(record(**changes), "gate") is None
