"""The CustomResourceDefinitions as a whole: what every kind promises."""

from collections.abc import Iterator

import pytest

from crds import KINDS, EvolutionExperiment, Kind, Storyteller
from crds.definition import definition, root_schema
from crds.schema import Schema, UnsupportedError


def walk(path: str, schema: Schema) -> Iterator[tuple[str, Schema]]:
    """Every schema node below this one, with its path."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from walk(f"{path}.{name}", child)
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from walk(f"{path}[]", schema[key])


NODES = [
    pytest.param(schema, id=path)
    for kind in KINDS
    for part in ("spec", "status")
    for path, schema in walk(f"{kind.names.kind}.{part}", root_schema(kind)["properties"][part])
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.names.kind)
def test_a_kind_is_found_by_its_names(kind: type[Kind]) -> None:
    crd = definition(kind)
    names = crd["spec"]["names"]
    assert crd["metadata"]["name"] == f"{names['plural']}.fabula.dev"
    assert names["categories"] == ["fabula"]
    assert names["shortNames"] == [kind.names.short]
    assert crd["spec"]["scope"] == "Namespaced"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.names.kind)
def test_a_kind_answers_the_first_question_first(kind: type[Kind]) -> None:
    columns = [
        c["name"] for c in definition(kind)["spec"]["versions"][0]["additionalPrinterColumns"]
    ]
    assert columns[0] == ("Phase" if kind is EvolutionExperiment else "Ready")
    assert columns[-1] == "Age"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.names.kind)
def test_printer_columns_and_selectable_fields_exist_in_the_schema(kind: type[Kind]) -> None:
    schema = root_schema(kind)
    known = {path for path, _ in walk("", schema)}
    version = definition(kind)["spec"]["versions"][0]
    paths = [column["jsonPath"] for column in version["additionalPrinterColumns"]]
    paths += [field["jsonPath"] for field in version.get("selectableFields", [])]
    paths += list(version["subresources"].get("scale", {}).values())
    for path in paths:
        if not path.startswith(".metadata."):
            assert path.split("[?")[0] in known, path


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.names.kind)
def test_a_status_has_conditions_and_no_defaults(kind: type[Kind]) -> None:
    status = root_schema(kind)["properties"]["status"]
    assert {"conditions", "observedGeneration", "request", "lastRequest"} <= set(
        status["properties"]
    )
    assert not [path for path, node in walk("", status) if "default" in node]


@pytest.mark.parametrize("schema", NODES)
def test_no_field_is_open(schema: Schema) -> None:
    assert "x-kubernetes-preserve-unknown-fields" not in schema
    if schema.get("type") == "object":
        assert ("properties" in schema) != ("additionalProperties" in schema)
    if schema.get("type") == "array":
        assert "maxItems" in schema
        assert "x-kubernetes-list-type" in schema


def test_scale_is_there_where_replicas_are() -> None:
    scale = definition(Storyteller)["spec"]["versions"][0]["subresources"]["scale"]
    assert scale["specReplicasPath"] == ".spec.replicas"


def test_a_kind_whose_spec_is_no_model_is_refused() -> None:
    class Loose(Kind):
        """A kind that says nothing."""

        names = Storyteller.names
        columns = ()
        spec: dict[str, str]

    with pytest.raises(UnsupportedError, match=r"Storyteller\.spec: must be a model"):
        root_schema(Loose)
