"""What games send and get."""

from typing import Annotated

from fastapi import Header
from pydantic import BaseModel, ConfigDict, Field

from crds.base import Model
from crds.tunables import Tunable, Value
from runtime.config.evaluation import Target

IfNoneMatch = Annotated[
    str | None,
    Header(
        max_length=1024,
        description="ETags that the client has: where one of them is the latest, the answer is "
        "304 without a body.",
    ),
]


class ConfigView(Model):
    """The value of every tunable, for one session."""

    world: Annotated[str, Field(description="The World.")]
    digest: Annotated[
        str, Field(description="Of the World's own values; the same as in its status.")
    ]
    values: Annotated[dict[str, Value], Field(description="By name, each of its type.")]


class TunableList(Model):
    """What there is to read, what each may be, and what is locked."""

    tunables: list[Tunable]


class Flag(Model):
    """A successful evaluation, in OFREP's words."""

    key: Annotated[str, Field(description="The tunable's name.")]
    value: Value
    reason: Annotated[
        str,
        Field(
            description="`STATIC`: everybody gets it. `SPLIT`: an experiment has the session in "
            "one of its arms. `DEFAULT`: one is under way, and the session is in neither arm."
        ),
    ]
    variant: Annotated[
        str,
        Field(
            description="`default` and `baseline`: the World's own value; `baseline` is held "
            "against `canary`, which is the experiment's."
        ),
    ]


class Flags(Model):
    """A bulk evaluation."""

    flags: list[Flag]


class Context(BaseModel):
    """Who plays, and whatever else the game says of them."""

    model_config = ConfigDict(extra="allow", strict=True)

    targeting_key: Annotated[
        str | None,
        Field(
            alias="targetingKey",
            max_length=256,
            description="The id of the session, as `POST /v1/sessions` of the gateway gave it: it "
            "says which experiments the session is in. With another, or none, the values are those "
            "of everybody who is in none.",
        ),
    ] = None


class EvaluationRequest(BaseModel):
    """For whom a flag is evaluated."""

    context: Context = Context()

    @property
    def target(self) -> Target:
        """The same for the evaluation."""
        return Target(self.context.targeting_key, self.context.model_extra or {})


class EvaluationFailure(Model):
    """A failed evaluation, in OFREP's words."""

    key: Annotated[str | None, Field(description="The flag that was asked for.")] = None
    error_code: Annotated[
        str,
        Field(description="`FLAG_NOT_FOUND`, `PARSE_ERROR`, `INVALID_CONTEXT`, or `GENERAL`."),
    ]
    error_details: Annotated[str, Field(description="Why, and what to do about it.")]
