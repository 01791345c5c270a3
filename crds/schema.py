"""From pydantic models to structural OpenAPI schemas, as a CustomResourceDefinition wants them.

It walks the models themselves. What it cannot express it refuses (`UnsupportedError`), so that a
schema never says less than the model checks.
"""

import types
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import StringConstraints
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from crds.base import IntOrString, ListAtomic, ListMap, ListSet, Model, Rule

Schema = dict[str, Any]


class UnsupportedError(TypeError):
    """A model says something that a structural schema has no word for."""


def object_schema(model: type[Model], *, defaults: bool = True) -> Schema:
    """The schema of a model.

    Args:
        model: the model; its class-level ``rules`` become CEL rules.
        defaults: whether schema defaults are written. Below a list item they are not, because
            clients that compare whole lists would see drift; nor in a status, where the API
            server would write them on behalf of a person who only sets ``request``.
    """
    properties: dict[str, Schema] = {}
    required: list[str] = []
    for name, field in model.model_fields.items():
        alias = field.alias or name
        where = f"{model.__name__}.{name}"
        schema = _field_schema(field, where, defaults=defaults)
        if not schema.get("description"):
            raise UnsupportedError(f"{where}: has no description; kubectl explain needs one")
        properties[alias] = schema
        if field.is_required():
            required.append(alias)
    schema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    if model.rules:
        schema["x-kubernetes-validations"] = [cel(rule) for rule in model.rules]
    return schema


def cel(rule: Rule) -> Schema:
    """A CEL rule as it stands in a schema."""
    out = {"rule": rule.rule, "message": rule.message}
    if rule.field_path:
        out["fieldPath"] = rule.field_path
    return out


def _field_schema(field: FieldInfo, where: str, *, defaults: bool) -> Schema:
    schema = _type_schema(field.annotation, list(field.metadata), where, defaults=defaults)
    if isinstance(field.json_schema_extra, Mapping):
        schema |= dict(field.json_schema_extra)
    if field.description:
        schema["description"] = " ".join(field.description.split())
    elif doc := _model_doc(field.annotation):
        schema["description"] = doc
    default = _default(field)
    if default is not None and defaults:
        schema["default"] = default
    return schema


def _model_doc(annotation: Any) -> str | None:
    if isinstance(annotation, type) and issubclass(annotation, Model) and annotation.__doc__:
        return " ".join(annotation.__doc__.split())
    return None


def _default(field: FieldInfo) -> Any:
    """The default worth writing down: a scalar, or ``{}`` for an object that has its own."""
    value = field.default
    if value is PydanticUndefined or value is None:
        return None
    if isinstance(value, Model):
        return {}
    if isinstance(value, list | dict):
        return None
    return value


def _type_schema(annotation: Any, metadata: list[Any], where: str, *, defaults: bool) -> Schema:
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        own = [
            m for item in more for m in (item.metadata if isinstance(item, FieldInfo) else [item])
        ]
        return _type_schema(inner, [*own, *metadata], where, defaults=defaults)
    if origin in (Union, types.UnionType):
        present = [arg for arg in get_args(annotation) if arg is not type(None)]
        if len(present) != 1:
            raise UnsupportedError(f"{where}: a union of types; use optional members and a rule")
        return _type_schema(present[0], metadata, where, defaults=defaults)
    if origin is Literal:
        values = list(get_args(annotation))
        if not all(isinstance(value, str) for value in values):
            raise UnsupportedError(f"{where}: only enums of strings")
        return {"type": "string", "enum": values}
    if origin is list:
        return _list_schema(get_args(annotation)[0], metadata, where)
    if origin is dict:
        return _map_schema(get_args(annotation), metadata, where)
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return object_schema(annotation, defaults=defaults)
    return _scalar_schema(annotation, metadata, where)


def _scalar_schema(annotation: Any, metadata: list[Any], where: str) -> Schema:
    if annotation is bool:
        return {"type": "boolean"}
    if annotation is int:
        schema: Schema = {"type": "integer", "format": "int64"}
    elif annotation is str:
        schema = {"type": "string"}
    else:
        raise UnsupportedError(f"{where}: {annotation!r} is not a type of the API")
    bounds = _bounds(metadata, where)
    for item in metadata:
        if isinstance(item, IntOrString):
            # A pattern binds only the string, bounds only the number.
            return {
                "anyOf": [{"type": "integer"}, {"type": "string"}],
                "x-kubernetes-int-or-string": True,
                "pattern": bounds["pattern"],
                "minimum": 0,
                "maximum": item.maximum,
            }
    if annotation is str and not (bounds.keys() & {"maxLength"}) and "format" not in schema:
        raise UnsupportedError(f"{where}: a string needs max_length, or CEL cannot cost its rules")
    return schema | bounds


def _bounds(metadata: list[Any], where: str) -> Schema:
    """Constraints of a scalar; outer ones (later in the list) win."""
    out: Schema = {}
    for item in metadata:
        match item:
            case annotated_types.Ge(ge=value):
                out["minimum"] = value
            case annotated_types.Le(le=value):
                out["maximum"] = value
            case annotated_types.MinLen(min_length=value):
                out["minLength"] = value
            case annotated_types.MaxLen(max_length=value):
                out["maxLength"] = value
            case StringConstraints(pattern=pattern, min_length=low, max_length=high):
                found = {"pattern": pattern, "minLength": low, "maxLength": high}
                out |= {key: value for key, value in found.items() if value is not None}
            case _ if getattr(item, "pattern", None):
                out["pattern"] = item.pattern
            case annotated_types.BaseMetadata():
                raise UnsupportedError(f"{where}: {item!r} has no word in a structural schema")
            case _:
                pass  # validators and markers: read elsewhere, or looser than the schema
    return out


def _length(metadata: list[Any], where: str) -> tuple[int | None, int]:
    low, high = None, None
    for item in metadata:
        if isinstance(item, annotated_types.MinLen):
            low = item.min_length
        elif isinstance(item, annotated_types.MaxLen):
            high = item.max_length
    if high is None:
        raise UnsupportedError(f"{where}: needs max_length, or CEL cannot cost its rules")
    return low, high


def _list_schema(item: Any, metadata: list[Any], where: str) -> Schema:
    markers = [m for m in metadata if isinstance(m, ListMap | ListSet | ListAtomic)]
    if len(markers) != 1:
        raise UnsupportedError(f"{where}: say ListMap, ListSet or ListAtomic")
    low, high = _length(metadata, where)
    schema: Schema = {
        "type": "array",
        "items": _type_schema(item, [], f"{where}[]", defaults=False),
        "maxItems": high,
    }
    if low is not None:
        schema["minItems"] = low
    match markers[0]:
        case ListMap(keys=keys):
            schema["x-kubernetes-list-type"] = "map"
            schema["x-kubernetes-list-map-keys"] = list(keys)
        case ListSet():
            schema["x-kubernetes-list-type"] = "set"
        case _:
            schema["x-kubernetes-list-type"] = "atomic"
    return schema


def _map_schema(args: tuple[Any, ...], metadata: list[Any], where: str) -> Schema:
    low, high = _length(metadata, where)
    if low is not None:
        raise UnsupportedError(f"{where}: a map has no minimum here")
    key = _type_schema(args[0], [], f"{where}{{key}}", defaults=False)
    return {
        "type": "object",
        "additionalProperties": _type_schema(args[1], [], f"{where}{{}}", defaults=False),
        "maxProperties": high,
        "x-kubernetes-validations": [_key_rule(key, where)],
    }


def _key_rule(key: Schema, where: str) -> Schema:
    """Structural schemas have no word for the keys of a map; CEL has."""
    if key["type"] != "string" or key.keys() - {"type", "pattern", "minLength", "maxLength"}:
        raise UnsupportedError(f"{where}: keys are strings with max_length and, at most, a pattern")
    high, pattern = key["maxLength"], key.get("pattern")
    rule, message = f"self.all(key, key.size() <= {high}", f"keys have at most {high} characters"
    if pattern:
        rule += f" && key.matches('{pattern}')"
        message += f" and match `{pattern}`"
    return {"rule": rule + ")", "message": message}
