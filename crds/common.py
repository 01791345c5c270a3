"""What the kinds share: references, conditions, requests, and the shape of a kind."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, ValidationError

from crds.base import DataKey, ListMap, Model, ObjectName, Rule, Timestamp

GROUP = "fabula.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
#: Longest name of an object whose children carry its name (a member and a revision come after it).
MAX_NAME = 24

DeletionPolicy = Literal["Retain", "Delete"]


class ConfigMapRef(Model):
    """A text in a ConfigMap of the same namespace."""

    name: Annotated[ObjectName, Field(description="Name of the ConfigMap.")]
    key: Annotated[
        DataKey | None,
        Field(description="Key inside it. Default: the only key; with several, this is required."),
    ] = None


class ConfigMapFolder(Model):
    """Several texts in a ConfigMap of the same namespace, each under a key of its own."""

    name: Annotated[ObjectName, Field(description="Name of the ConfigMap.")]


class SecretKeyRef(Model):
    """A value in a Secret of the same namespace. It is mounted as a file; the operator never
    reads it."""

    name: Annotated[ObjectName, Field(description="Name of the Secret.")]
    key: Annotated[DataKey, Field(description="Key inside it.")]


class SecretRef(Model):
    """A Secret of the same namespace. Its items are mounted as files; the operator never reads
    it."""

    name: Annotated[ObjectName, Field(description="Name of the Secret.")]


class Condition(Model):
    """One observation, after the Kubernetes convention."""

    type: Annotated[str, Field(max_length=64, description="What is observed, for example Ready.")]
    status: Annotated[Literal["True", "False", "Unknown"], Field(description="Whether it holds.")]
    reason: Annotated[
        str, Field(max_length=64, description="The cause as one CamelCase word, for programs.")
    ]
    message: Annotated[
        str, Field(max_length=1024, description="The cause and the remedy, for people.")
    ]
    last_transition_time: Annotated[Timestamp, Field(description="When `status` last changed.")]
    observed_generation: Annotated[
        int, Field(ge=0, description="The `metadata.generation` that this speaks of.")
    ]


#: The request that gives up what is kept in a hot store that was dropped.
LEAVE_SESSIONS: Literal["LeaveSessions"] = "LeaveSessions"


class Request(Model):
    """What a person asks of the operator. The only status field that others may write."""

    action: Annotated[
        Literal["Reconcile", "LeaveSessions"],
        Field(
            description="`Reconcile`: look at everything again now and answer in `lastRequest`. "
            "`LeaveSessions`, of a Storyteller whose World names no hot store any more: leave the "
            "sessions that are in it, and go on from the volume."
        ),
    ]
    id: Annotated[
        str,
        Field(
            min_length=1,
            max_length=64,
            description="Any word that tells this request from the last one, for example a time.",
        ),
    ]


class LastRequest(Model):
    """The operator's answer to a `Request`."""

    action: Annotated[str, Field(max_length=64, description="What was asked.")]
    id: Annotated[str, Field(max_length=64, description="The `id` of the request.")]
    outcome: Annotated[Literal["Done", "Refused"], Field(description="What became of it.")]
    message: Annotated[str, Field(max_length=1024, description="Why, for people.")]
    at: Annotated[Timestamp, Field(description="When it was answered.")]


class Status(Model):
    """The part of a status that every kind has."""

    observed_generation: Annotated[
        int | None,
        Field(ge=0, description="The `metadata.generation` that this status speaks of."),
    ] = None
    conditions: Annotated[
        list[Condition],
        ListMap(("type",)),
        Field(
            max_length=16,
            description="`Ready` (use it with `kubectl wait`), `Reconciling` (work is under way), "
            "`Stalled` (a person has to change something).",
        ),
    ] = []
    request: Annotated[
        Request | None,
        Field(description="Ask the operator for something: `kubectl patch --subresource=status`."),
    ] = None
    last_request: Annotated[
        LastRequest | None, Field(description="The operator's answer to `request`.")
    ] = None


@dataclass(frozen=True)
class Column:
    """A column of `kubectl get`."""

    name: str
    path: str
    type: Literal["string", "integer", "date", "boolean"] = "string"
    description: str = ""
    wide: bool = False


READY_COLUMN = Column(
    "Ready", '.status.conditions[?(@.type=="Ready")].status', description="Whether it works."
)
WHY_COLUMN = Column(
    "Why",
    '.status.conditions[?(@.type=="Ready")].message',
    description="What Ready says, in words.",
    wide=True,
)
AGE_COLUMN = Column("Age", ".metadata.creationTimestamp", "date")


@dataclass(frozen=True)
class Names:
    """How kubectl calls a kind."""

    kind: str
    plural: str
    short: str


@dataclass(frozen=True)
class Scale:
    """Where the `scale` subresource finds its numbers."""

    spec: str
    status: str
    selector: str


class Metadata(Model):
    """The few parts of `metadata` that decisions use."""

    model_config = ConfigDict(extra="ignore")

    name: str
    namespace: str = "default"
    uid: str = ""
    generation: int = 0
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None


class InvalidObjectError(ValueError):
    """An object that the API server let pass and these models do not understand.

    Happens when a CRD of another version is installed. The message names each field.
    """


class Kind(Model):
    """An object of one of our kinds."""

    model_config = ConfigDict(extra="ignore")

    names: ClassVar[Names]
    columns: ClassVar[tuple[Column, ...]]
    scale: ClassVar[Scale | None] = None
    #: JSON paths that `kubectl get --field-selector` may use.
    selectable: ClassVar[tuple[str, ...]] = ()

    metadata: Metadata

    @classmethod
    def parse(cls, raw: dict[str, Any]) -> Self:
        """Read an object from the API server.

        Raises:
            InvalidObjectError: a field is not what this version expects.
        """
        try:
            return cls.model_validate(raw, by_alias=True, by_name=False)
        except ValidationError as error:
            faults = "; ".join(
                f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
                for fault in error.errors()
            )
            raise InvalidObjectError(
                f"{faults}. Correct the field, or upgrade the CRDs and the operator together"
            ) from None


def short_name_rule() -> Rule:
    """Children carry the name of the object, a member and a revision, in at most 63 characters."""
    return Rule(
        f"self.metadata.name.size() <= {MAX_NAME} && "
        "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
        f"metadata.name must be a DNS label of at most {MAX_NAME} characters that starts with a "
        "letter (a-z, 0-9, -), because the names of Services are made of it; choose a shorter "
        "name",
    )
