"""Instances of JSON schemas: valid, varied, repeatable; refused where they could not be valid."""

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.llamacpp.instances import UnsupportedSchemaError, instance

# How long an example takes says more about the machine than about the code.
unhurried = settings(deadline=None, max_examples=50)


def make(schema: Any, seed: int = 0) -> Any:
    return instance(schema, random.Random(seed))


@unhurried
@given(
    options=st.lists(st.text(max_size=20), min_size=1, max_size=8),
    seed=st.integers(0, 2**32),
)
def test_an_enum_gives_one_of_its_values_and_the_same_for_a_seed(
    options: list[str], seed: int
) -> None:
    chosen = make({"enum": options}, seed)
    assert chosen in options
    assert chosen == make({"enum": options}, seed)


def test_every_value_of_an_enum_is_chosen_by_some_seed() -> None:
    assert {make({"enum": ["fight", "flee", "talk"]}, seed) for seed in range(50)} == {
        "fight",
        "flee",
        "talk",
    }


@unhurried
@given(low=st.integers(-1000, 1000), width=st.integers(0, 500), seed=st.integers(0, 1000))
def test_numbers_lie_within_their_bounds(low: int, width: int, seed: int) -> None:
    high = low + width
    whole = make({"type": "integer", "minimum": low, "maximum": high}, seed)
    assert isinstance(whole, int)
    assert low <= whole <= high
    real = make({"type": "number", "minimum": low, "maximum": high}, seed)
    assert low <= real <= high
    assert make({"type": "integer", "maximum": high}, seed) <= high
    assert make({"type": "integer", "minimum": low}, seed) >= low
    assert make({"type": "number", "maximum": high}, seed) <= high
    assert make({"type": "number", "minimum": low}, seed) >= low


@unhurried
@given(low=st.integers(-100, 100), width=st.integers(2, 50), seed=st.integers(0, 1000))
def test_exclusive_bounds_are_not_reached(low: int, width: int, seed: int) -> None:
    for kind in ("integer", "number"):
        schema = {"type": kind, "exclusiveMinimum": low, "exclusiveMaximum": low + width}
        assert low < make(schema, seed) < low + width


@unhurried
@given(shortest=st.integers(0, 120), extra=st.integers(0, 50), seed=st.integers(0, 1000))
def test_strings_have_the_length_asked_for(shortest: int, extra: int, seed: int) -> None:
    schema = {"type": "string", "minLength": shortest, "maxLength": shortest + extra}
    assert shortest <= len(make(schema, seed)) <= shortest + extra


@unhurried
@given(low=st.integers(0, 6), extra=st.integers(0, 4), seed=st.integers(0, 1000))
def test_arrays_have_the_length_asked_for(low: int, extra: int, seed: int) -> None:
    schema = {
        "type": "array",
        "items": {"type": "boolean"},
        "minItems": low,
        "maxItems": low + extra,
    }
    made = make(schema, seed)
    assert low <= len(made) <= low + extra
    assert all(isinstance(item, bool) for item in made)


def test_a_decision_is_a_whole_object() -> None:
    schema = {
        "type": "object",
        "properties": {
            "choice": {"enum": ["fight", "flee"]},
            "confidence": {"type": "integer", "minimum": 0, "maximum": 100},
            "why": {"type": "string", "maxLength": 60},
            "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}},
            "next": {"anyOf": [{"type": "null"}, {"const": "rest"}]},
        },
        "required": ["choice", "confidence", "witness"],
        "additionalProperties": False,
        "$defs": {"tag": {"type": "string", "minLength": 1}},
    }
    made = make(schema)
    assert json.loads(json.dumps(made)) == made
    assert set(made) == {"choice", "confidence", "why", "tags", "next", "witness"}
    assert made["choice"] in {"fight", "flee"}
    assert made["next"] in {None, "rest"}


def test_a_schema_may_leave_everything_open() -> None:
    assert isinstance(make({}), str)
    assert make({"type": "object"}) == {}
    assert make({"type": ["null"]}) is None
    assert make({"prefixItems": [{"const": 1}, {"const": 2}], "items": False}) == [1, 2]


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "string", "pattern": "^a+$"}, r"the schema uses 'pattern'"),
        ({"properties": {"when": {"format": "date"}}}, r"the schema\.when uses 'format'"),
        ({"$ref": "https://schemas.test/a"}, r"refers to 'https://schemas.test/a'"),
        ({"$ref": "#/$defs/gone"}, r"refers to '#/\$defs/gone', which is not in the schema"),
        ({"$ref": "#"}, r"nested deeper than"),
        ({"enum": []}, r"empty enum"),
        ({"type": "tuple"}, r"has type 'tuple'"),
        ({"type": "integer", "minimum": 3, "maximum": 2}, r"no integer between its bounds"),
        ({"allOf": [{"type": "string"}, {"maxLength": 3}]}, r"'allOf'"),
        (False, r"False"),
    ],
)
def test_what_is_not_covered_is_refused_by_name(schema: Any, message: str) -> None:
    with pytest.raises(UnsupportedSchemaError, match=message):
        make(schema)
