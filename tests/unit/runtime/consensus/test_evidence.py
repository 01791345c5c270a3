"""What decisions teach adds up, can be taken back, survives a file and fades."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.consensus.evidence import (
    HALF_LIFE_PERIODS,
    KEPT_PERIODS,
    MAX_TASKS,
    OTHER_TASKS,
    PERIOD_DAYS,
    Evidence,
    EvidenceUnreadableError,
    Heard,
    truth_from_grade,
)
from tests.unit.runtime.consensus.lessons import TODAY, heard

DECISIONS = st.builds(
    Heard,
    task=st.sampled_from(["gate", "market"]),
    day=st.integers(TODAY, TODAY + 100),
    options=st.integers(2, 4),
    answers=st.dictionaries(st.sampled_from(["a", "b", "c"]), st.sampled_from(["x", "y", None])),
    decision=st.sampled_from(["x", "y", None]),
    stated=st.dictionaries(st.sampled_from(["a", "b"]), st.integers(0, 100)),
)
LESSONS = st.lists(st.tuples(DECISIONS, st.sampled_from(["x", "y", None])), max_size=8)


def learned(lessons: list[tuple[Heard, str | None]]) -> Evidence:
    evidence = Evidence()
    for decision, truth in lessons:
        evidence.learn(decision, truth)
    return evidence


@given(LESSONS, LESSONS)
def test_what_two_gateways_learned_adds_up_in_either_order(
    one: list[tuple[Heard, str | None]], other: list[tuple[Heard, str | None]]
) -> None:
    together, first, second = learned(one + other), learned(one), learned(other)
    first.merge(second)
    assert first.dump() == together.dump()
    second.merge(learned(one))
    assert second.dump() == together.dump()


@given(LESSONS, LESSONS)
def test_what_is_taken_back_was_never_learned(
    kept: list[tuple[Heard, str | None]], taken: list[tuple[Heard, str | None]]
) -> None:
    evidence = learned(kept + taken)
    for decision, truth in taken:
        evidence.unlearn(decision, truth)
    assert evidence.dump() == learned(kept).dump()


@given(LESSONS)
def test_a_checkpoint_gives_back_what_was_learned(lessons: list[tuple[Heard, str | None]]) -> None:
    evidence = learned(lessons)
    assert Evidence.load(evidence.dump()).dump() == evidence.dump()


def test_an_outcome_says_who_was_right_who_erred_together_and_who_was_silent() -> None:
    evidence = Evidence()
    evidence.learn(heard({"a": "open", "b": "shut", "c": "shut", "d": None}, options=3), "open")
    assert evidence.of("gate", TODAY) == {
        "held": 1,
        "right a 3": 1,
        "wrong b 3": 1,
        "wrong c 3": 1,
        "silent d": 1,
        "ahead b": 1,
        "ahead c": 1,
        "ahead d": 1,
        "second a b": 1,
        "second a c": 1,
        "both b c": 1,
    }


def test_without_an_outcome_only_agreement_is_learned() -> None:
    evidence = Evidence()
    evidence.learn(heard({"a": "open", "b": "open", "c": "shut", "d": None}))
    assert evidence.of("gate", TODAY) == {"same a b": 1, "differ a c": 1, "differ b c": 1}


def test_evidence_halves_with_each_half_life_and_is_dropped_in_the_end() -> None:
    evidence = Evidence()
    evidence.learn(heard({"a": "open"}), "open")
    later = TODAY + HALF_LIFE_PERIODS * PERIOD_DAYS
    assert evidence.of("gate", later)["right a 2"] == 0.5
    old = TODAY + KEPT_PERIODS * PERIOD_DAYS
    assert evidence.of("gate", old)["right a 2"] == 0
    evidence.forget(later)
    assert evidence.tasks == ["gate"]
    evidence.forget(old)
    assert evidence.tasks == []


def test_more_tasks_than_fit_are_counted_together() -> None:
    evidence = Evidence()
    for at in range(MAX_TASKS + 5):
        evidence.learn(replace(heard({"a": "open"}), task=f"task {at:03}"), "open")
    assert len(evidence.tasks) == MAX_TASKS
    assert evidence.of(OTHER_TASKS, TODAY)["right a 2"] == 6


@pytest.mark.parametrize(
    ("options", "right", "truth"),
    [
        (["open", "shut"], True, "open"),
        (["open", "shut"], False, "shut"),
        (["open", "shut", "sing"], False, None),
        (["open", "shut", "sing"], True, None),
    ],
)
def test_a_grade_names_the_truth_only_between_two_options(
    options: list[str], right: bool, truth: str | None
) -> None:
    assert truth_from_grade(options, "open", right=right) == truth


@pytest.mark.parametrize(
    "checkpoint",
    [
        "",
        "[]",
        "{}",
        json.dumps({"version": 1, "tasks": {"gate": 3}}),
        '{"version": 1, "tasks": 0}',
    ],
)
def test_what_is_no_checkpoint_is_refused_with_the_remedy(checkpoint: str) -> None:
    with pytest.raises(EvidenceUnreadableError, match="remove the file to learn anew"):
        Evidence.load(checkpoint)


def test_a_checkpoint_of_another_version_is_refused() -> None:
    with pytest.raises(EvidenceUnreadableError, match="version 2 is not 1"):
        Evidence.load('{"version": 2, "tasks": {}}')


@given(LESSONS)
def test_a_checkpoint_says_everything(lessons: list[tuple[Heard, str | None]]) -> None:
    evidence = learned([*lessons, *lessons])
    for decision, truth in lessons:
        evidence.unlearn(decision, truth)
    again = Evidence.load(evidence.dump())
    assert (again._cells, again._tasks) == (evidence._cells, evidence._tasks)


def test_a_copy_goes_its_own_way() -> None:
    evidence = learned([(heard({"a": "open", "b": "open"}), None)])
    before = evidence.dump()
    copied = evidence.copy()
    copied.learn(heard({"a": "open", "b": "shut"}), "open")
    copied.learn(heard({"a": "open", "b": "shut"}, task="market"), "open")
    assert evidence.dump() == before != copied.dump()


def test_what_was_dropped_for_its_age_is_not_taken_back() -> None:
    old = heard({"a": "open", "b": "shut"})
    evidence = learned([(old, "open")])
    evidence.forget(TODAY + PERIOD_DAYS * (KEPT_PERIODS + 1))
    evidence.unlearn(old, "open")
    assert evidence.tasks == []


def test_a_task_too_many_is_known_as_the_others_are() -> None:
    said = {"a": "open", "b": "shut"}
    evidence = learned([(heard(said, task=f"t{at:02}"), "open") for at in range(MAX_TASKS + 5)])
    assert (evidence.known_as("t00"), evidence.place("t00")) == ("t00", "t00")
    assert (evidence.known_as("new"), evidence.place("new")) == (OTHER_TASKS, OTHER_TASKS)
