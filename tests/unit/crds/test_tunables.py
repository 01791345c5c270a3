"""What the text of a value means, and that a double tells apart what the API tells apart."""

import json
import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crds.tunables import DEPTH, NUMBER, TunableType, Value, value_of

NUMBERS = st.from_regex(f"^{NUMBER}$", fullmatch=True).filter(str.isascii)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("Boolean", "true", True),
        ("Boolean", "false", False),
        ("Integer", "-120", -120),
        ("Integer", "9" * 15, 999_999_999_999_999),
        ("Number", "0.25", 0.25),
        ("Number", "3", 3.0),
        ("String", "", ""),
        ("String", "“dusk”\n", "“dusk”\n"),
        ("Object", '{"a": [1, {"b": null}]}', {"a": [1, {"b": None}]}),
    ],
)
def test_a_text_means_a_value_of_its_type(kind: TunableType, text: str, value: Value) -> None:
    found = value_of(kind, text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("Boolean", "True"),
        ("Boolean", ""),
        ("Integer", "1.0"),
        ("Integer", "1" * 16),
        ("Integer", "1\n"),
        ("Integer", "٣"),
        ("Number", "1e5"),
        ("Number", "inf"),
        ("Number", ".5"),
        ("Object", "{"),
        ("Object", "[]"),
        ("Object", '{"a": NaN}'),
        ("Object", '{"a": 1e999}'),
        ("Object", '{"a": "\\ud800"}'),
        ("Object", '{"a":' * DEPTH + "{}" + "}" * DEPTH),
        ("Object", '{"a":' + "[" * 5000 + "]" * 5000 + "}"),
    ],
)
def test_what_is_not_of_its_type_is_an_error(kind: TunableType, text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        value_of(kind, text)


def test_an_object_may_nest_as_deep_as_is_said() -> None:
    value_of("Object", '{"a":' * (DEPTH - 1) + "{}" + "}" * (DEPTH - 1))


@given(NUMBERS, NUMBERS)
def test_doubles_order_numbers_as_they_are(one: str, other: str) -> None:
    """CEL compares doubles, the planner decimals: they must agree."""
    assert (float(one) < float(other)) == (Decimal(one) < Decimal(other))
    assert (float(one) == float(other)) == (Decimal(one) == Decimal(other))


@given(NUMBERS)
def test_a_number_survives_json(text: str) -> None:
    value = value_of("Number", text)
    assert isinstance(value, float)
    assert math.isfinite(value)
    assert json.loads(json.dumps(value)) == value
