"""Tunables: what a game reads by name, the values that each may have, and what the text of a value
means."""

import json
import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints

from crds.base import ListSet, Model, Rule

TunableType = Literal["Boolean", "Integer", "Number", "String", "Object"]
#: What a value is to a program: as JSON has it.
Value = bool | int | float | str | dict[str, Any]

#: At most 15 digits in all: a double tells them apart, so CEL, JSON and every SDK agree on them.
INTEGER = "-?[0-9]{1,15}"
NUMBER = r"-?([0-9]{1,15}|[0-9]{1,9}\.[0-9]{1,6})"
#: How deep an Object may nest.
DEPTH = 8

TunableName = Annotated[
    str, StringConstraints(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=63)
]
ValueText = Annotated[str, StringConstraints(max_length=1024)]
#: A decimal that may be negative.
Signed = Annotated[str, StringConstraints(pattern=f"^{NUMBER}$", max_length=17)]
#: One that may not.
Distance = Annotated[str, StringConstraints(pattern=f"^{NUMBER[2:]}$", max_length=16)]


class Bounds(Model):
    """How far a number may go."""

    min: Annotated[
        Signed | None, Field(description="The least value, as a string. Default: none.")
    ] = None
    max: Annotated[
        Signed | None, Field(description="The greatest value, as a string. Default: none.")
    ] = None
    max_step: Annotated[
        Distance | None,
        Field(
            description="The most that one autonomous change may add or take away, as a string; "
            "people may change `default` by more. Default: as far as `min` and `max` let it."
        ),
    ] = None

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.min) || has(self.max) || has(self.maxStep)",
            "set at least one of min, max, maxStep, or remove bounds",
        ),
        Rule(
            "!has(self.min) || !has(self.max) || double(self.min) <= double(self.max)",
            "min must not be above max",
            ".min",
        ),
        Rule(
            "!has(self.maxStep) || double(self.maxStep) > 0.0",
            "maxStep must be above 0; to keep autonomous changes away, set locked",
            ".maxStep",
        ),
    )


class Tunable(Model):
    """A value that designers set, that the game reads, and that experiments may change."""

    name: Annotated[TunableName, Field(description="What the game calls it: an OpenFeature key.")]
    type: Annotated[
        TunableType,
        Field(
            description="What the game gets: `Boolean`, `Integer` (up to 15 digits), `Number` (up "
            "to 9 digits and 6 decimals), `String`, or `Object` (a JSON object). A game that asks "
            "for another type gets its own default."
        ),
    ]
    default: Annotated[
        ValueText,
        Field(
            description="The value, as a string: true, 120, 0.25, dusk, or the text of a JSON "
            "object. A change reaches games within seconds."
        ),
    ]
    bounds: Annotated[
        Bounds | None,
        Field(description="How far an Integer or Number may go. Default: as far as its type."),
    ] = None
    one_of: Annotated[
        list[Annotated[str, StringConstraints(max_length=128)]] | None,
        ListSet(),
        Field(
            min_length=1,
            max_length=32,
            description="The values that a String may have. Default: any text.",
        ),
    ] = None
    locked: Annotated[
        bool,
        Field(
            description="Whether nothing autonomous may change it; people still may. Default: no."
        ),
    ] = False
    description: Annotated[
        str | None,
        Field(max_length=256, description="What it does to the game, for whoever is to change it."),
    ] = None

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.type != 'Boolean' || self.default in ['true', 'false']",
            'default of a Boolean must be "true" or "false"',
            ".default",
        ),
        Rule(
            f"self.type != 'Integer' || self.default.matches('^{INTEGER}$')",
            'default of an Integer must be a whole number of at most 15 digits, as in "120"',
            ".default",
        ),
        Rule(
            f"self.type != 'Number' || self.default.matches(r'^{NUMBER}$')",
            "default of a Number must have at most 9 digits and 6 decimals, or 15 digits and none, "
            'as in "0.25"',
            ".default",
        ),
        Rule(
            "self.type != 'Object' || self.default.startsWith('{')",
            "default of an Object must be the text of a JSON object, which begins with {",
            ".default",
        ),
        Rule(
            "!has(self.bounds) || self.type in ['Integer', 'Number']",
            "bounds are for Integer and Number; remove them, or use oneOf for a String",
            ".bounds",
        ),
        Rule(
            "self.type != 'Integer' || !has(self.bounds) || ("
            + " && ".join(
                f"(!has(self.bounds.{end}) || !self.bounds.{end}.contains('.'))"
                for end in ("min", "max", "maxStep")
            )
            + ")",
            "bounds of an Integer must be whole numbers",
            ".bounds",
        ),
        Rule(
            f"!has(self.bounds) || !self.default.matches(r'^{NUMBER}$') || "
            "((!has(self.bounds.min) || double(self.default) >= double(self.bounds.min)) && "
            "(!has(self.bounds.max) || double(self.default) <= double(self.bounds.max)))",
            "default must not be outside bounds; change default or bounds",
            ".default",
        ),
        Rule(
            "!has(self.oneOf) || self.type == 'String'",
            "oneOf is for String; remove it, or use bounds for a number",
            ".oneOf",
        ),
        Rule(
            "!has(self.oneOf) || self.default in self.oneOf",
            "default must be one of oneOf; change default, or add it there",
            ".default",
        ),
    )

    @property
    def value(self) -> Value:
        """The default, as a program has it.

        Raises:
            ValueError: it is not of the type. CEL lets only an Object come so far.
        """
        return value_of(self.type, self.default)


def value_of(kind: TunableType, text: str) -> Value:
    """What the text of a value means.

    Raises:
        ValueError: it is not of this type. The message says why.
    """
    match kind:
        case "Boolean":
            if text not in ("true", "false"):
                raise ValueError(f"{text[:40]!r} is neither true nor false")
            return text == "true"
        case "Integer":
            if not re.fullmatch(INTEGER, text, re.ASCII):
                raise ValueError(f"{text[:40]!r} is no whole number of at most 15 digits")
            return int(text)
        case "Number":
            if not re.fullmatch(NUMBER, text, re.ASCII):
                raise ValueError(f"{text[:40]!r} has not at most 9 digits and 6 decimals")
            return float(text)
        case "String":
            return text
        case "Object":
            return _object(text)


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
        # What the parser takes and JSON, or Unicode, does not have.
        json.dumps(found, allow_nan=False, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError(f"it nests deeper than {DEPTH} levels") from None
    except ValueError as error:
        raise ValueError(f"it is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")
    if _deeper(found, DEPTH):
        raise ValueError(f"it nests deeper than {DEPTH} levels")
    return found


def _deeper(value: object, levels: int) -> bool:
    inner = (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    )
    if inner is None:
        return False
    return levels == 0 or any(_deeper(each, levels - 1) for each in inner)
