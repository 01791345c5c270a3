"""The reference pages: the same models, for people."""

from collections.abc import Iterator
from typing import Any

from crds.common import API_VERSION, Kind
from crds.definition import root_schema
from crds.schema import Schema


def page(kind: type[Kind]) -> str:
    """The Markdown reference of a kind: what you write, what you read, what is refused."""
    schema = root_schema(kind)
    names = kind.names
    lines = [
        "<!-- Written by `python -m crds`; edit the models in crds/ instead. -->",
        f"# {names.kind}",
        "",
        schema["description"],
        "",
        (
            f"`apiVersion: {API_VERSION}`, `kind: {names.kind}`, short name `{names.short}`, "
            "category `fabula`, namespaced."
        ),
        "",
        "## What you write",
        "",
        *_table("spec", schema["properties"]["spec"]),
        "",
        "## What you read",
        "",
        *_table("status", schema["properties"]["status"]),
        "",
        "## What is refused",
        "",
        "Beside types, bounds and unknown fields, the API server refuses these, in these words:",
        "",
    ]
    lines += [f"- {message}" for message in dict.fromkeys(_messages(schema))]
    return "\n".join(lines) + "\n"


def _table(root: str, schema: Schema) -> list[str]:
    lines = ["| field | type | meaning |", "|---|---|---|"]
    lines += [
        f"| `{path}`{' **required**' if required else ''} | {_type(field)} | "
        f"{field.get('description', '').replace('|', chr(92) + '|')} |"
        for path, field, required in _fields(root, schema)
    ]
    return lines


def _fields(prefix: str, schema: Schema) -> Iterator[tuple[str, Schema, bool]]:
    required = schema.get("required", [])
    for name, field in schema.get("properties", {}).items():
        path = f"{prefix}.{name}"
        yield path, field, name in required
        if "items" in field:
            yield from _fields(f"{path}[]", field["items"])
        else:
            yield from _fields(path, field)


def _type(field: Schema) -> str:
    if field.get("x-kubernetes-int-or-string"):
        return "quantity"
    if "enum" in field:
        return " \\| ".join(f"`{value}`" for value in field["enum"])
    kind: Any = field["type"]
    if kind == "array":
        inner = field["items"].get("type", "quantity")
        return f"list of {inner}, at most {field['maxItems']}"
    if "additionalProperties" in field:
        return "map"
    low, high = field.get("minimum"), field.get("maximum")
    if low is not None or high is not None:
        return f"{kind} {'' if low is None else low}..{'' if high is None else high}"
    if "maxLength" in field:
        return f"{kind}, at most {field['maxLength']} characters"
    return str(kind)


def _messages(schema: Schema) -> Iterator[str]:
    for rule in schema.get("x-kubernetes-validations", []):
        yield rule["message"]
    for field in schema.get("properties", {}).values():
        yield from _messages(field)
    if "items" in schema:
        yield from _messages(schema["items"])
