"""Make a valid instance of a JSON schema, as repeatable as the random generator it is given.

Covers what callers ask of a language model: objects, arrays, enums, bounded strings and numbers,
unions, local references. Anything else is refused rather than answered wrongly.
"""

import math
import random
from collections.abc import Mapping
from typing import Any

_WORDS = ("ember", "ash", "lantern", "oath", "river", "crown", "raven", "hearth", "thorn", "dusk")
_DEPTH = 24
# Keywords that would have to be obeyed and are not.
_REFUSED = ("pattern", "format", "not", "if", "multipleOf", "uniqueItems", "contains")


class UnsupportedSchemaError(Exception):
    """The schema uses something that is not covered; the message names it and where."""


def instance(schema: Any, generator: random.Random) -> Any:
    """An instance of `schema`."""
    root = schema if isinstance(schema, Mapping) else {}
    return _make(schema, root, generator, "the schema", _DEPTH)


def _make(
    schema: Any, root: Mapping[str, Any], generator: random.Random, where: str, depth: int
) -> Any:
    if schema is True or schema == {}:
        return "anything"
    if not isinstance(schema, Mapping):
        raise UnsupportedSchemaError(f"{where} is {schema!r}, which nothing satisfies or describes")
    if depth == 0:
        raise UnsupportedSchemaError(f"{where} is nested deeper than {_DEPTH} levels")
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        if not schema["enum"]:
            raise UnsupportedSchemaError(f"{where} has an empty enum")
        return generator.choice(list(schema["enum"]))
    for keyword in _REFUSED:
        if keyword in schema:
            raise UnsupportedSchemaError(f"{where} uses {keyword!r}")
    if "$ref" in schema:
        return _make(_resolve(schema["$ref"], root, where), root, generator, where, depth - 1)
    for keyword in ("anyOf", "oneOf"):
        if schema.get(keyword):
            chosen = generator.choice(list(schema[keyword]))
            return _make(chosen, root, generator, where, depth - 1)
    if len(schema.get("allOf", ())) == 1:
        return _make(schema["allOf"][0], root, generator, where, depth - 1)
    if "allOf" in schema:
        raise UnsupportedSchemaError(f"{where} joins several schemas with 'allOf'")
    return _typed(schema, root, generator, where, depth)


def _typed(
    schema: Mapping[str, Any], root: Mapping[str, Any], generator: random.Random, where: str,
    depth: int,
) -> Any:  # fmt: skip
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = generator.choice(kind)
    if kind == "object" or (kind is None and "properties" in schema):
        return {
            name: _make(property_, root, generator, f"{where}.{name}", depth - 1)
            for name, property_ in _properties(schema, where).items()
        }
    if kind == "array" or (kind is None and "items" in schema):
        return _array(schema, root, generator, where, depth)
    if kind == "string":
        return _string(schema, generator)
    if kind in {"integer", "number"}:
        return _number(schema, kind, generator, where)
    if kind == "boolean":
        return generator.random() < 0.5
    if kind == "null":
        return None
    raise UnsupportedSchemaError(f"{where} has type {kind!r}")


def _properties(schema: Mapping[str, Any], where: str) -> dict[str, Any]:
    properties = dict(schema.get("properties", {}))
    for name in schema.get("required", ()):
        properties.setdefault(name, True)
    if len(properties) < schema.get("minProperties", 0):
        raise UnsupportedSchemaError(f"{where} wants properties that it does not name")
    return properties


def _resolve(reference: str, root: Mapping[str, Any], where: str) -> Any:
    node: Any = root
    head, *path = reference.split("/")
    for part in path:
        name = part.replace("~1", "/").replace("~0", "~")
        node = node.get(name) if isinstance(node, Mapping) else None
    if head != "#" or node is None:
        raise UnsupportedSchemaError(f"{where} refers to {reference!r}, which is not in the schema")
    return node


def _array(
    schema: Mapping[str, Any], root: Mapping[str, Any], generator: random.Random, where: str,
    depth: int,
) -> list[Any]:  # fmt: skip
    fixed = list(schema.get("prefixItems", ()))
    low = max(schema.get("minItems", 1), len(fixed))
    high = min(schema.get("maxItems", low + 2), low + 2)
    items = schema.get("items", True)
    length = generator.randint(min(low, high), high) if items is not False else len(fixed)
    return [
        _make(fixed[i] if i < len(fixed) else items, root, generator, f"{where}[{i}]", depth - 1)
        for i in range(length)
    ]


def _string(schema: Mapping[str, Any], generator: random.Random) -> str:
    shortest = schema.get("minLength", 0)
    longest = schema.get("maxLength", max(shortest, 40))
    text = " ".join(generator.choices(_WORDS, k=4))
    while len(text) < shortest:
        text += " " + generator.choice(_WORDS)
    return text[:longest]


def _number(
    schema: Mapping[str, Any], kind: str, generator: random.Random, where: str
) -> int | float:
    low, high = schema.get("minimum"), schema.get("maximum")
    if kind == "integer":
        above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
        low = math.floor(above) + 1 if above is not None else math.ceil(low or 0)
        if below is not None:
            high = math.ceil(below) - 1
        high = low + 100 if high is None else math.floor(high)
        if "minimum" not in schema and above is None:
            low = min(low, high)
        if low > high:
            raise UnsupportedSchemaError(f"{where} leaves no integer between its bounds")
        return generator.randint(low, high)
    low = schema.get("exclusiveMinimum", low)
    high = schema.get("exclusiveMaximum", high)
    if low is None:
        low = min(0.0, high - 1) if high is not None else 0.0
    if high is None:
        high = low + 1.0
    if low > high:
        raise UnsupportedSchemaError(f"{where} leaves no number between its bounds")
    # The middle half: clear of bounds that may be exclusive.
    return round(low + (high - low) * (0.25 + generator.random() / 2), 6)
