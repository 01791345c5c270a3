"""What games send and get, beyond the decision itself."""

import json
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    field_validator,
)

from crds.base import Model
from crds.cohorts import MAX_COHORTS, CohortName
from crds.observations import BUILT_IN
from runtime.audit import Decision
from runtime.audit.search import Query
from runtime.consensus import Outcome, canonical
from runtime.sessions.store import FACT
from runtime.sessions.tally import MAX_METRICS

MAX_CONTEXT_DEPTH = 8
_MOMENT = r"^[0-9]{4}(-[0-9]{2}(-[0-9]{2}(T[0-9:.]{2,12}Z?)?)?)?$"


def _well_formed(context: str | dict[str, Any] | None) -> str | dict[str, Any] | None:
    """Facts that can be written down as they are."""
    if depth(context, MAX_CONTEXT_DEPTH) > MAX_CONTEXT_DEPTH:
        raise ValueError(f"context may nest {MAX_CONTEXT_DEPTH} levels deep; flatten it")
    try:
        json.dumps(context, ensure_ascii=False, allow_nan=False).encode()
    except ValueError as error:
        raise ValueError(
            f"context must be plain JSON with valid Unicode ({error}); leave out what is not"
        ) from None
    return context


def depth(value: object, limit: int) -> int:
    """Levels of JSON; what is deeper than ``limit`` is not looked at further."""
    levels, level = 0, [value]
    while level and levels <= limit:
        levels += 1
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return levels if level else levels - 1


Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Option = Annotated[Words, Field(max_length=200)]
#: A short label. It stays in the record when the words are destroyed, so it names a kind of
#: question, never a person.
Task = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-_.a-z0-9]{0,61}[a-z0-9])?$")]
Context = Annotated[
    str | dict[str, Any] | None,
    AfterValidator(_well_formed),
    Field(description="What the story should know: text, or an object of named facts."),
]


class SessionRequest(Model):
    """Begin a session. All fields may be left out."""

    player: Annotated[
        Words | None, Field(max_length=80, description="Who plays, as the story may call them.")
    ] = None
    context: Context = None
    cohorts: Annotated[
        list[CohortName] | None,
        Field(
            max_length=MAX_COHORTS,
            description="Cohorts of the World that the player is in; an empty list: none. Left "
            "out, or with a name that the World does not know, the session is in no experiment "
            "that excludes anyone. They are not kept.",
        ),
    ] = None


class SessionView(Model):
    """A session."""

    id: Annotated[
        str,
        Field(
            description="It says which experiments the session is in: give it to the configuration "
            "service as it is."
        ),
    ]
    created: Annotated[str, Field(description="RFC 3339, UTC.")]
    player: str | None = None
    context: str | dict[str, Any] | None = None
    turns: Annotated[int, Field(description="Decisions made in it.")] = 0
    handovers: Annotated[
        int,
        Field(
            description="Times that a new chapter began: the window was full, or the models "
            "changed."
        ),
    ] = 0


class SessionList(Model):
    """Sessions, newest first."""

    sessions: list[SessionView]


class FactRequest(Model):
    """Pin a fact."""

    text: Annotated[
        Words,
        Field(max_length=FACT, description="Told to every member with every question, as it is."),
    ]


class FactView(Model):
    """A pinned fact."""

    id: Annotated[str, Field(description="Made from its words: the same words, the same fact.")]
    text: str


class FactList(Model):
    """Facts, in the order in which they were pinned."""

    facts: list[FactView]


def _not_our_own(name: str) -> str:
    if name in BUILT_IN:
        raise ValueError(f"{name} is counted by the gateway; post yours under another name")
    return name


_METRIC = r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$"
_MetricName = Annotated[str, StringConstraints(pattern=_METRIC), AfterValidator(_not_our_own)]
#: By name, and no more than a session may have.
MetricsRequest = Annotated[
    dict[_MetricName, Annotated[float, Field(allow_inf_nan=False, strict=True)]],
    Field(min_length=1, max_length=MAX_METRICS),
    WithJsonSchema(
        {
            "title": "MetricsRequest",
            "type": "object",
            "minProperties": 1,
            "maxProperties": MAX_METRICS,
            "propertyNames": {"pattern": _METRIC, "not": {"enum": list(BUILT_IN)}},
            "additionalProperties": {"type": "number"},
        }
    ),
]


class DecisionRequest(Model):
    """Ask for a decision."""

    question: Annotated[Words, Field(max_length=2000, description="What is to be decided.")]
    options: Annotated[
        list[Option] | None,
        Field(
            min_length=2,
            max_length=20,
            description="What may be decided. Left out: the answer is free text.",
            json_schema_extra={"uniqueItems": True},
        ),
    ] = None
    task: Annotated[
        Task | None,
        Field(
            description="What kind of question it is: members are good at different ones, and what "
            "outcomes say of them is learned for each. Left out: all such questions are one kind."
        ),
    ] = None
    context: Context = None

    @field_validator("options")
    @classmethod
    def _distinct(cls, options: list[str] | None) -> list[str] | None:
        forms = [canonical(option) for option in options or []]
        twins = {form for form in forms if forms.count(form) > 1}
        if twins:
            raise ValueError(
                "options must differ by more than case, spaces and punctuation; "
                f"these do not: {', '.join(sorted(twins))}"
            )
        return options


class DecisionList(Model):
    """Decisions, newest first."""

    decisions: list[Decision]
    indexed_to: Annotated[
        int | None,
        Field(
            description="Entries of the log before this number were searched. Absent: nothing was "
            "searched, these are the latest."
        ),
    ] = None


class Filter(BaseModel):
    """Which decisions to list; everything that is set must hold."""

    model_config = ConfigDict(extra="forbid")

    session: Annotated[
        str | None, Field(max_length=64, description="Only those of this session.")
    ] = None
    text: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=200,
            pattern=r"\w",
            description="Words that all occur in question, options, context or answers.",
        ),
    ] = None
    player: Annotated[str | None, Field(max_length=80, description="Who played.")] = None
    member: Annotated[str | None, Field(max_length=64, description="A member that was asked.")] = (
        None
    )
    model: Annotated[str | None, Field(max_length=200, description="A model that was asked.")] = (
        None
    )
    outcome: Annotated[Outcome | None, Field(description="How it came about.")] = None
    since: Annotated[
        str | None,
        Field(
            max_length=30,
            pattern=_MOMENT,
            description="From then on: RFC 3339 in UTC, or the beginning of it.",
        ),
    ] = None
    until: Annotated[
        str | None, Field(max_length=30, pattern=_MOMENT, description="Before then.")
    ] = None
    limit: Annotated[int, Field(ge=1, le=100, description="At most so many.")] = 20

    @property
    def searches(self) -> bool:
        """Whether the index is needed."""
        return self.query != Query(session=self.session, limit=self.limit)

    @property
    def query(self) -> Query:
        """The same for the index."""
        return Query(**self.model_dump())
