"""Every way in which a field can be wrong, walked from the schema of its kind.

Each fault is a whole manifest with one bad value in it and, around that, only what is required.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from crds import KINDS, Kind
from crds.definition import root_schema
from crds.schema import Schema
from tests.api.examples import Object, manifest

#: Words that fit the patterns of the API between them.
WORDS = (
    *("a", "1", "/models/a", "https://a", "a/a", "mlflow:a@a", f"sha256:{'0' * 64}"),
    *("18:00", "2026-12-01T00:00:00Z"),
)
UNKNOWN = "fieldThatDoesNotExist"

Put = Callable[[Any], Any]


@dataclass(frozen=True)
class Fault:
    """A manifest with one bad value, the field that the answer must name, and its words."""

    what: str
    manifest: Object
    field: str
    words: str


def every_fault() -> Iterator[Fault]:
    for kind in KINDS:
        schema = root_schema(kind)["properties"]["spec"]
        yield from _faults(kind, schema, "spec", lambda value: value)


def sample(schema: Schema) -> Any:
    """A small value that the schema allows."""
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("x-kubernetes-int-or-string"):
        return "1"
    match schema["type"]:
        case "object":
            properties = schema.get("properties", {})
            return {name: sample(properties[name]) for name in schema.get("required", [])}
        case "array":
            return [sample(schema["items"]) for _ in range(schema.get("minItems", 0))]
        case "integer":
            return schema.get("minimum", 1)
        case "boolean":
            return True
    pattern = schema.get("pattern", "")
    return next(word for word in WORDS if re.search(pattern, word))


def _faults(kind: type[Kind], schema: Schema, path: str, put: Put) -> Iterator[Fault]:
    """The faults of one field and of all below it; `put` sets a value of it into a whole spec."""

    def fault(what: str, value: Any, words: str, field: str = path) -> Fault:
        whole = manifest(kind.names.kind, "sample", put(value))
        return Fault(f"{kind.names.kind} {path}: {what}", whole, field, words)

    for what, value, words in _wrong(schema):
        yield fault(what, value, words)
    for name in schema.get("required", []):
        rest = {key: value for key, value in sample(schema).items() if key != name}
        yield fault(f"without {name}", rest, "Required value", f"{path}.{name}")
    if "properties" in schema:
        known = sample(schema)
        unknown = known | {UNKNOWN: 1}
        yield fault("with an unknown field", unknown, "unknown field", f"{path}.{UNKNOWN}")
        for name, child in schema["properties"].items():
            yield from _faults(kind, child, f"{path}.{name}", _into(put, known, name))
    if "items" in schema:
        yield from _faults(kind, schema["items"], f"{path}[0]", lambda value: put([value]))
    if "additionalProperties" in schema:
        child = schema["additionalProperties"]
        yield from _faults(kind, child, f"{path}.key", lambda value: put({"key": value}))


def _into(put: Put, known: Object, name: str) -> Put:
    return lambda value: put(known | {name: value})


def _wrong(schema: Schema) -> Iterator[tuple[str, Any, str]]:
    """Values that the schema refuses by itself: what is wrong, the value, words of the answer."""
    if schema.get("x-kubernetes-int-or-string"):
        yield "a list", [], "must be of type"
        yield "negative", -1, "greater than or equal to 0"
        yield "enormous", 10**18, "less than or equal to"
        yield "not a quantity", "1 GiB", "should match"
        return
    kind = schema["type"]
    for what, value in {
        "a text": "text",
        "a number": 7,
        "a truth": True,
        "a list": ["a"],
        "an object": {},
    }.items():
        if what not in _FITTING[kind]:
            yield what, value, "must be of type"
    if "enum" in schema:
        yield "not one of its values", "Nonsense", "supported values"
    if kind == "integer":
        yield "a fraction", 1.5, "must be of type integer"
        yield "beyond 64 bits", 10**30, ""
    if "minimum" in schema:
        yield "too small", schema["minimum"] - 1, f"greater than or equal to {schema['minimum']}"
    if "maximum" in schema:
        yield "too large", schema["maximum"] + 1, "less than or equal to"
    if "pattern" in schema:
        yield "not of its pattern", " ", "should match"
    if "maxLength" in schema:
        yield "too long", "a" * (schema["maxLength"] + 1), str(schema["maxLength"])
    if "maxItems" in schema:
        one = sample(schema["items"])
        yield "too many", [one] * (schema["maxItems"] + 1), f"at most {schema['maxItems']} items"
    if "maxProperties" in schema:
        many = {f"k{i}": "1" for i in range(schema["maxProperties"] + 1)}
        yield "too many", many, f"at most {schema['maxProperties']} items"


_FITTING = {
    "string": ("a text",),
    "integer": ("a number",),
    "boolean": ("a truth",),
    "array": ("a list",),
    "object": ("an object",),
}
