"""The schema generator: what it writes, and that it refuses what it cannot write."""

from typing import Annotated, ClassVar, Literal

import annotated_types
import pytest
from pydantic import Field, StringConstraints

from crds.base import ListAtomic, ListMap, ListSet, Model, Quantity, Rule, exactly_one
from crds.schema import Schema, UnsupportedError, object_schema

Name = Annotated[str, Field(max_length=20, description="A name.")]


def field(annotation: object, default: object = ...) -> Schema:
    """The schema of one field with this annotation."""
    described = Annotated[annotation, Field(description="What it is.")]  # type: ignore[valid-type]
    namespace = {"__annotations__": {"it": described}, "__module__": __name__}
    if default is not ...:
        namespace["it"] = default  # type: ignore[assignment]
    model = type("Example", (Model,), namespace)
    schema: Schema = object_schema(model)["properties"]["it"]
    return schema


class Leaf(Model):
    """A leaf."""

    name: Name
    size: Annotated[int, Field(ge=1, le=9, description="How big.")] = 3


class Tree(Model):
    """A tree."""

    leaf: Leaf
    crown: Annotated[Leaf, Field(description="The highest.")] = Leaf(name="top")
    leaves: Annotated[
        list[Leaf], ListMap(), Field(min_length=1, max_length=4, description="Its leaves.")
    ]

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("self.leaves.size() > 0", "grow a leaf", ".leaves"),
        Rule("true", "never said"),
    )


def test_required_fields_are_those_without_a_default() -> None:
    assert object_schema(Tree)["required"] == ["leaf", "leaves"]
    assert object_schema(Leaf)["required"] == ["name"]


def test_names_are_camel_case() -> None:
    class Example(Model):
        time_limit_seconds: Annotated[int, Field(description="A limit.")]

    assert list(object_schema(Example)["properties"]) == ["timeLimitSeconds"]


def test_an_object_is_described_by_its_class_unless_the_field_says_better() -> None:
    properties = object_schema(Tree)["properties"]
    assert properties["leaf"]["description"] == "A leaf."
    assert properties["crown"]["description"] == "The highest."


def test_scalars_have_defaults_and_objects_an_empty_one() -> None:
    properties = object_schema(Tree)["properties"]
    assert properties["leaf"]["properties"]["size"]["default"] == 3
    assert properties["crown"]["default"] == {}
    assert "default" not in properties["leaf"]


def test_nothing_inside_a_list_has_a_default() -> None:
    items = object_schema(Tree)["properties"]["leaves"]["items"]
    assert "default" not in items["properties"]["size"]


def test_a_schema_can_be_had_without_any_default() -> None:
    assert "default" not in str(object_schema(Tree, defaults=False))


def test_rules_carry_message_and_field_path() -> None:
    assert object_schema(Tree)["x-kubernetes-validations"] == [
        {"rule": "self.leaves.size() > 0", "message": "grow a leaf", "fieldPath": ".leaves"},
        {"rule": "true", "message": "never said"},
    ]


def test_a_union_counts_its_members() -> None:
    rule = exactly_one("left", "right")
    assert rule.rule == "(has(self.left) ? 1 : 0) + (has(self.right) ? 1 : 0) == 1"
    assert rule.message == "set exactly one of left, right"


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (bool, {"type": "boolean"}),
        (int, {"type": "integer", "format": "int64"}),
        (
            Annotated[int, Field(ge=1, le=5)],
            {"type": "integer", "format": "int64", "minimum": 1, "maximum": 5},
        ),
        (
            Annotated[str, Field(pattern="^a$", min_length=1, max_length=2)],
            {"type": "string", "pattern": "^a$", "minLength": 1, "maxLength": 2},
        ),
        (
            Annotated[str, StringConstraints(pattern="^a$", min_length=1, max_length=2)],
            {"type": "string", "pattern": "^a$", "minLength": 1, "maxLength": 2},
        ),
        (Literal["Up", "Down"], {"type": "string", "enum": ["Up", "Down"]}),
        (
            Annotated[Literal["Up"] | None, Field(description="Inner.")],
            {"type": "string", "enum": ["Up"]},
        ),
        (
            Annotated[str, Field(max_length=40, json_schema_extra={"format": "date-time"})],
            {"type": "string", "maxLength": 40, "format": "date-time"},
        ),
    ],
)
def test_scalars(annotation: object, expected: Schema) -> None:
    assert field(annotation) == expected | {"description": "What it is."}


def test_a_quantity_takes_numbers_and_strings() -> None:
    schema = field(Quantity)
    assert schema["x-kubernetes-int-or-string"] is True
    assert schema["anyOf"] == [{"type": "integer"}, {"type": "string"}]
    assert schema["pattern"].startswith("^[0-9]")
    assert "type" not in schema


def test_the_outer_bound_wins_in_lists_as_in_fields() -> None:
    word = Annotated[str, Field(max_length=4000)]
    narrow = Annotated[word, Field(max_length=5)]
    assert field(narrow)["maxLength"] == 5
    assert field(Annotated[list[narrow], ListSet(), Field(max_length=2)])["items"]["maxLength"] == 5


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        (ListMap(), {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}),
        (
            ListMap(("kind", "name")),
            {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["kind", "name"]},
        ),
        (ListSet(), {"x-kubernetes-list-type": "set"}),
        (ListAtomic(), {"x-kubernetes-list-type": "atomic"}),
    ],
)
def test_a_list_says_how_it_is_merged(marker: object, expected: Schema) -> None:
    schema = field(Annotated[list[Name], marker, Field(min_length=1, max_length=4)])
    assert schema.items() >= expected.items()
    assert (schema["minItems"], schema["maxItems"]) == (1, 4)


def test_a_map_checks_its_keys_with_a_rule() -> None:
    key = Annotated[str, StringConstraints(pattern="^[a-z]+$", max_length=8)]
    schema = field(Annotated[dict[key, bool], Field(max_length=3)])
    assert schema["maxProperties"] == 3
    assert schema["additionalProperties"] == {"type": "boolean"}
    (rule,) = schema["x-kubernetes-validations"]
    assert rule["rule"] == "self.all(key, key.size() <= 8 && key.matches('^[a-z]+$'))"
    assert "at most 8 characters" in rule["message"]


@pytest.mark.parametrize(
    ("annotation", "why"),
    [
        (Annotated[int | bool, Field()], "a union of types"),
        (Literal[1, 2], "only enums of strings"),
        (float, "is not a type of the API"),
        (bytes, "is not a type of the API"),
        (str, "a string needs max_length"),
        (Annotated[int, annotated_types.Gt(0)], "no word in a structural schema"),
        (Annotated[int, annotated_types.MultipleOf(2)], "no word in a structural schema"),
        (Annotated[list[Name], Field(max_length=2)], "say ListMap, ListSet or ListAtomic"),
        (
            Annotated[list[Name], ListSet(), ListAtomic(), Field(max_length=2)],
            "say ListMap, ListSet or ListAtomic",
        ),
        (Annotated[list[Name], ListSet()], "needs max_length"),
        (Annotated[list[str], ListSet(), Field(max_length=2)], "a string needs max_length"),
        (Annotated[dict[Name, bool], Field(min_length=1, max_length=2)], "no minimum"),
        (dict[Name, bool], "needs max_length"),
        (Annotated[dict[str, bool], Field(max_length=2)], "a string needs max_length"),
        (Annotated[dict[Literal["a"], bool], Field(max_length=2)], "keys are strings"),
        (Annotated[dict[int, bool], Field(max_length=2)], "keys are strings"),
    ],
)
def test_what_a_structural_schema_cannot_say_is_refused(annotation: object, why: str) -> None:
    with pytest.raises(UnsupportedError, match=why) as caught:
        field(annotation)
    assert "Example.it" in str(caught.value)


def test_a_field_without_a_description_is_refused() -> None:
    class Silent(Model):
        it: Annotated[int, Field(ge=0)]

    with pytest.raises(UnsupportedError, match=r"Silent\.it: has no description"):
        object_schema(Silent)
