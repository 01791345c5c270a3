"""A kind as a CustomResourceDefinition."""

from typing import Any

from crds.base import Model
from crds.common import GROUP, VERSION, Column, Kind
from crds.ensemble import ModelEnsemble
from crds.experiment import EvolutionExperiment
from crds.schema import Schema, UnsupportedError, cel, object_schema
from crds.storyteller import Storyteller
from crds.world import World

KINDS: tuple[type[Kind], ...] = (World, ModelEnsemble, Storyteller, EvolutionExperiment)


def definition(kind: type[Kind]) -> dict[str, Any]:
    """The CustomResourceDefinition of a kind, as plain data."""
    names = kind.names
    version: dict[str, Any] = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": _subresources(kind),
        "additionalPrinterColumns": [_column(column) for column in kind.columns],
        "schema": {"openAPIV3Schema": root_schema(kind)},
    }
    if kind.selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in kind.selectable]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": names.kind,
                "listKind": f"{names.kind}List",
                "plural": names.plural,
                "singular": names.kind.lower(),
                "shortNames": [names.short],
                "categories": ["fabula"],
            },
            "versions": [version],
        },
    }


def root_schema(kind: type[Kind]) -> Schema:
    """The schema of the whole object."""
    properties: dict[str, Schema] = {
        "apiVersion": {"type": "string", "description": f"{GROUP}/{VERSION}."},
        "kind": {"type": "string", "description": f"{kind.names.kind}."},
        "metadata": {"type": "object"},
    }
    required = []
    for name in ("spec", "status"):
        field = kind.model_fields[name]
        model = field.annotation
        if not (isinstance(model, type) and issubclass(model, Model)):
            raise UnsupportedError(f"{kind.names.kind}.{name}: must be a model")
        schema_of = object_schema(model, defaults=name == "spec")
        properties[name] = schema_of | {"description": field.description}
        if name == "spec":
            if field.is_required():
                required.append(name)
            else:
                properties[name]["default"] = {}
    schema: Schema = {
        "type": "object",
        "description": " ".join((kind.__doc__ or "").split()),
        "properties": properties,
    }
    if required:
        schema["required"] = required
    if kind.rules:
        schema["x-kubernetes-validations"] = [cel(rule) for rule in kind.rules]
    return schema


def _subresources(kind: type[Kind]) -> dict[str, Any]:
    out: dict[str, Any] = {"status": {}}
    if kind.scale:
        out["scale"] = {
            "specReplicasPath": kind.scale.spec,
            "statusReplicasPath": kind.scale.status,
            "labelSelectorPath": kind.scale.selector,
        }
    return out


def _column(column: Column) -> dict[str, Any]:
    out: dict[str, Any] = {"name": column.name, "type": column.type, "jsonPath": column.path}
    if column.description:
        out["description"] = column.description
    if column.wide:
        out["priority"] = 1
    return out
