"""What every API model is made of: the base class and the markers that pydantic has no word for.

A marker is metadata inside ``Annotated[...]``; ``crds.schema`` turns it into the matching
Kubernetes extension, and pydantic ignores it.
"""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)
from pydantic.alias_generators import to_camel


@dataclass(frozen=True)
class Rule:
    """A CEL rule (``x-kubernetes-validations``) and what a person reads when it fails.

    ``message`` names the remedy; the API server names the field. ``field_path`` points at the
    member to blame when the rule sits on its parent.
    """

    rule: str
    message: str
    field_path: str | None = None


@dataclass(frozen=True)
class ListMap:
    """``listType=map``: items are merged by these keys, so that two appliers can share a list."""

    keys: tuple[str, ...] = ("name",)


@dataclass(frozen=True)
class ListSet:
    """``listType=set``: scalars without order or repetition."""


@dataclass(frozen=True)
class ListAtomic:
    """``listType=atomic``: replaced as a whole, because order means something."""


@dataclass(frozen=True)
class IntOrString:
    """Written with or without quotes; read as a string. A number is from 0 to `maximum`."""

    maximum: int


class Model(BaseModel):
    """An immutable piece of the API: camelCase in YAML, snake_case here, unknown fields refused.

    Strict, because the API server does not take "5" for 5 either.
    """

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, strict=True
    )

    #: CEL rules on this object.
    rules: ClassVar[tuple[Rule, ...]] = ()

    def dump(self) -> dict[str, Any]:
        """The object as it stands in YAML: only what is set, JSON types."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def exactly_one(*members: str) -> Rule:
    """The rule of a union: optional members of which exactly one is present."""
    count = " + ".join(f"(has(self.{member}) ? 1 : 0)" for member in members)
    return Rule(f"{count} == 1", f"set exactly one of {', '.join(members)}")


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


#: A DNS label. 20 characters for what becomes part of a child's name.
MemberName = Annotated[
    str, StringConstraints(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=20)
]
#: The name of another object in the same namespace.
ObjectName = Annotated[
    str,
    StringConstraints(
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
        min_length=1,
        max_length=253,
    ),
]
#: A key inside a ConfigMap or Secret.
DataKey = Annotated[
    str, StringConstraints(pattern=r"^[-._a-zA-Z0-9]+$", min_length=1, max_length=253)
]
#: A non-negative number written as a string, because floats do not survive YAML and JSON.
Decimal = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}(\.[0-9]{1,6})?$", max_length=16)]
#: What a metric is called in specs, records and requests.
MetricName = Annotated[
    str, StringConstraints(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=63)
]
#: A Kubernetes quantity: 500m, 2, 1Gi.
Quantity = Annotated[
    str,
    StringConstraints(
        pattern=r"^[0-9]{1,15}(\.[0-9]{1,9})?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$", max_length=32
    ),
    IntOrString(maximum=10**15 - 1),
    BeforeValidator(_as_text),
]
#: A container image reference, by tag or digest.
Image = Annotated[
    str,
    StringConstraints(
        pattern=r"^[a-z0-9]([-a-zA-Z0-9._:/]*[a-zA-Z0-9])?(@sha256:[a-f0-9]{64})?$",
        min_length=1,
        max_length=512,
    ),
]
#: Where an API answers: no query and no user in it.
BaseURL = Annotated[
    str,
    StringConstraints(
        pattern=r"^https?://[-a-zA-Z0-9._:\[\]]+(/[-a-zA-Z0-9._~/]*)?$", max_length=512
    ),
]
#: Text that a person reads or that a model is told.
Text = Annotated[str, StringConstraints(pattern=r"[^ \t\r\n]", max_length=4000)]
#: A moment, RFC 3339 in UTC.
Timestamp = Annotated[str, Field(json_schema_extra={"format": "date-time"}, max_length=40)]
