"""Which value holds, and how far something autonomous may change it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.world.tunables import change_fault, digest, served, shown, unusable
from crds.tunables import Tunable


def tunable(**more: Any) -> Tunable:
    return Tunable.model_validate(
        {"name": "quest-gold", "type": "Integer", "default": "120"} | more
    )


BOUNDED = tunable(bounds={"min": "50", "max": "300", "maxStep": "20"})
CHOICE = tunable(type="String", default="dusk", oneOf=["dusk", "dawn"])


@pytest.mark.parametrize(
    ("before", "value", "words"),
    [
        (tunable(locked=True), "121", "is locked"),
        (tunable(), "many", "of type Integer"),
        (tunable(type="Object", default="{}"), "[", "of type Object"),
        (BOUNDED, "141", "at most bounds.maxStep, 20, from 120"),
        (BOUNDED, "99", "at most bounds.maxStep, 20, from 120"),
        (BOUNDED, "49", "below bounds.min, 50"),
        (BOUNDED, "301", "above bounds.max, 300"),
        (CHOICE, "noon", "one of dusk, dawn"),
        (
            tunable(type="Number", default="0.1", bounds={"maxStep": "0.2"}),
            "0.300001",
            "at most bounds.maxStep",
        ),
    ],
)
def test_a_change_that_may_not_be_made_says_which_field_forbids_it(
    before: Tunable, value: str, words: str
) -> None:
    fault = change_fault(before, value)
    assert fault is not None
    assert words in fault


@pytest.mark.parametrize(
    ("before", "value"),
    [
        (tunable(), "-7"),
        (BOUNDED, "140"),
        (BOUNDED, "100"),
        (CHOICE, "dawn"),
        (tunable(type="Boolean", default="false"), "true"),
        # 0.1 + 0.2 is more than 0.3 in doubles.
        (tunable(type="Number", default="0.1", bounds={"maxStep": "0.2"}), "0.3"),
    ],
)
def test_a_change_within_its_bounds_may_be_made(before: Tunable, value: str) -> None:
    assert change_fault(before, value) is None


@given(st.integers(-(10**6), 10**6))
def test_no_change_leaves_the_bounds_or_steps_further_than_it_may(value: int) -> None:
    allowed = change_fault(BOUNDED, str(value)) is None
    assert allowed == (50 <= value <= 300 and abs(value - 120) <= 20)


def test_an_object_that_is_no_json_is_left_out_and_named() -> None:
    broken = tunable(name="loot", type="Object", default="{ore: 3}")
    assert served([BOUNDED, broken]) == (BOUNDED,)
    verdict = unusable([BOUNDED, broken])
    assert verdict is not None
    assert verdict.stalled
    assert "spec.tunables[loot].default: it is no JSON" in verdict.message
    assert unusable([BOUNDED]) is None


def test_the_status_shows_values_by_name_and_the_beginning_of_long_ones() -> None:
    found = [CHOICE, tunable(name="a", type="String", default="x" * 1024)]
    first, second = shown(found, found)
    assert (first.name, second.name) == ("a", "quest-gold")
    assert len(first.value) == 128
    assert (second.value, second.source) == ("dusk", "Default")
    (promoted,) = shown([CHOICE], [CHOICE.model_copy(update={"default": "dawn"})])
    assert (promoted.value, promoted.source) == ("dawn", "Promoted")


def test_the_digest_changes_with_values_and_with_nothing_else() -> None:
    before = digest([BOUNDED, CHOICE])
    assert digest([CHOICE, BOUNDED]) == before
    told = BOUNDED.model_copy(update={"description": "Gold.", "locked": True})
    assert digest([told, CHOICE]) == before
    assert digest([BOUNDED.model_copy(update={"default": "121"}), CHOICE]) != before
    assert digest([BOUNDED]) != before
