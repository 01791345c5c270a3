"""Random objects for hypothesis, drawn from the schema of their kind.

Mostly right and now and then wrong, because an object that is wrong everywhere tells little.
"""

from typing import Any

from hypothesis import strategies as st

from crds import Kind
from crds.definition import root_schema
from crds.schema import Schema
from tests.api.examples import Object, manifest
from tests.api.faults import UNKNOWN, sample

#: One value in so many is of any type and size at all.
RARELY = 60
UNLUCKY = 13

ANYTHING = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-2, 2000),
    st.floats(-10, 2000, allow_nan=False).map(lambda number: round(number, 2)),
    st.integers(0, 300).map(float),
    st.text(max_size=8),
    st.sampled_from(["", " ", "\n", "1", "0.5", "1Gi", "a/b", "bard", "é", "\u00a0", "a\n"]),
    st.just([]),
    st.just({}),
)


def objects(kind: type[Kind]) -> st.SearchStrategy[Object]:
    """Objects of a kind; names are right, since no model reads them."""
    spec = _value(root_schema(kind)["properties"]["spec"])
    return spec.map(lambda value: manifest(kind.names.kind, "sample", value))


def _value(schema: Schema) -> st.SearchStrategy[Any]:
    right = _right(schema)
    return st.integers(1, RARELY).flatmap(lambda draw: ANYTHING if draw == UNLUCKY else right)


def _right(schema: Schema) -> st.SearchStrategy[Any]:
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema.get("x-kubernetes-int-or-string"):
        return st.one_of(st.integers(0, 10**15), st.sampled_from(["1", "500m", "2Gi", "0.25", "4"]))
    match schema["type"]:
        case "object" if "properties" in schema:
            return _object(schema)
        case "object":
            keys = st.sampled_from(["cpu", "nvidia.com/gpu", "zone", "a b", "x" * 128, "x" * 129])
            return st.dictionaries(keys, _value(schema["additionalProperties"]), max_size=3)
        case "array":
            low = schema.get("minItems", 0)
            return st.lists(_value(schema["items"]), min_size=low, max_size=3)
        case "integer":
            return st.integers(schema.get("minimum", 0), schema.get("maximum", 100))
        case "boolean":
            return st.booleans()
    return _text(schema)


def _object(schema: Schema) -> st.SearchStrategy[Object]:
    required = {name: _value(schema["properties"][name]) for name in schema.get("required", [])}
    optional = {
        name: _value(child) for name, child in schema["properties"].items() if name not in required
    }
    union = "set exactly one of" in str(schema.get("x-kubernetes-validations", ""))
    low, high = (1, 1) if union else (0, 2)
    few = st.sets(st.sampled_from(sorted(optional or ["-"])), min_size=low, max_size=high)
    known = few.flatmap(
        lambda names: st.fixed_dictionaries(
            required | {name: optional[name] for name in names & optional.keys()}
        )
    )
    extra = st.integers(1, RARELY * 4).map(lambda draw: {UNKNOWN: 1} if draw == UNLUCKY else {})
    return st.builds(lambda first, second: first | second, known, extra)


def _text(schema: Schema) -> st.SearchStrategy[str]:
    longest = "a" * schema["maxLength"]
    if "pattern" not in schema:
        return st.one_of(st.text(min_size=1, max_size=8), st.just(longest))
    near = st.sampled_from(
        ["a", "b", "a-b", "a.b", "a/b", "0", "1.5", "9.99", "/models/a", longest]
    )
    return st.one_of(st.just(sample(schema)), st.just(sample(schema)), near)
