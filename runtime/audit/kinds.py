"""The kinds of entries. A new one is a class and a place in ``AnyEntry``."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from runtime.audit.entry import Entry
from runtime.audit.record import Candidate, Record, Ruling
from runtime.audit.sealing import Keys, UnsealError, decode
from runtime.audit.segments import LogDamagedError

#: From 0 (wrong) to 1 (right), as a string.
Score = Annotated[str, StringConstraints(pattern=r"^(0(\.[0-9]{1,6})?|1(\.0{1,6})?)$")]


#: The arms whose sessions have an outcome.
WatchedArm = Literal["Canary", "Baseline", "Shadow", "Promoted"]


class OutcomeEntry(Entry):
    """What became of a decision, as the game saw it later."""

    prefix: ClassVar[str] = "o"
    private: ClassVar[tuple[str, ...]] = ("answer",)

    kind: Literal["Outcome"] = "Outcome"
    id: str = ""
    time: Annotated[str, Field(description="When it was posted, RFC 3339, UTC.")]
    decision: Annotated[str, Field(description="Id of the decision.")]
    task: Annotated[
        str | None, Field(description="What kind of question it was, for what is learned by task.")
    ] = None
    answer: Annotated[str | None, Field(description="What would have been right.")] = None
    ballot: Annotated[
        int | None,
        Field(description="Which ballot of the decision gave that answer. Absent: none did."),
    ] = None
    option: Annotated[
        int | None,
        Field(description="Which option that answer is, from 0. Absent: none, or not known."),
    ] = None
    score: Annotated[Score | None, Field(description="How good it was, 0 to 1.")] = None
    source: Annotated[str, Field(description="What judged it: a rule, a playtest, a person.")]
    actor: Annotated[
        str | None, Field(description="Id of the API key that posted it. Absent: not known.")
    ] = None


class ErasureEntry(Entry):
    """A tombstone: the key of a person's words was destroyed. What proves it holds no name."""

    prefix: ClassVar[str] = "e"

    kind: Literal["Erasure"] = "Erasure"
    id: str = ""
    time: Annotated[str, Field(description="When, RFC 3339, UTC.")]
    key: Annotated[str, Field(description="The key that is no more, as `sealed.key` names it.")]
    by: Annotated[str, Field(description="Who asked for it.")]


class RetentionEntry(Entry):
    """Entries that were removed for their age. Their hashes stay."""

    prefix: ClassVar[str] = "r"

    kind: Literal["Retention"] = "Retention"
    id: str = ""
    time: Annotated[str, Field(description="When, RFC 3339, UTC.")]
    before: Annotated[int, Field(description="Number of the first entry that was kept.")]
    days: Annotated[int, Field(description="How long the policy keeps entries.")]


class AssignedEntry(Entry):
    """A session was given to an arm of a rollout or an experiment when it began."""

    prefix: ClassVar[str] = "a"

    kind: Literal["Assigned"] = "Assigned"
    id: str = ""
    time: Annotated[str, Field(description="When it began, RFC 3339, UTC.")]
    session: Annotated[str, Field(description="Id of the session.")]
    rollout: Annotated[str, Field(description="Salt of the rollout or experiment.")]
    arm: WatchedArm
    until: Annotated[str, Field(description="What it asks counts until then.")]
    matures: Annotated[
        str | None,
        Field(description="What is posted of it counts until then. Absent: as what it asks."),
    ] = None
    settled: Annotated[
        str,
        Field(
            description="When all that it asked before is answered, what is posted of it final, "
            "and its outcome due."
        ),
    ]


class MetricsEntry(Entry):
    """What a game measured of a session in an arm."""

    prefix: ClassVar[str] = "m"

    kind: Literal["Metrics"] = "Metrics"
    id: str = ""
    time: Annotated[str, Field(description="When it was posted, RFC 3339, UTC.")]
    session: Annotated[str, Field(description="Id of the session.")]
    rollout: Annotated[str, Field(description="Salt of the rollout or experiment.")]
    arm: WatchedArm
    values: Annotated[
        dict[str, float], Field(description="By name. A later value takes an earlier one's place.")
    ]
    actor: Annotated[
        str | None, Field(description="Id of the API key that posted it. Absent: not known.")
    ] = None


class SessionOutcomeEntry(Entry):
    """What a session in an arm came to, by the end of the time that it is watched."""

    prefix: ClassVar[str] = "w"

    kind: Literal["SessionOutcome"] = "SessionOutcome"
    id: str = ""
    time: Annotated[str, Field(description="When it was added up, RFC 3339, UTC.")]
    session: Annotated[str, Field(description="Id of the session.")]
    rollout: Annotated[str, Field(description="Salt of the rollout or experiment.")]
    arm: WatchedArm
    values: Annotated[
        dict[str, float],
        Field(description="By metric; what is not known is left out, all of it if it was deleted."),
    ] = {}


class ShadowEntry(Entry):
    """What the new revision of a member answers to a question that the old one has decided: told to
    nobody, and compared by a judge if there is one."""

    prefix: ClassVar[str] = "h"
    private: ClassVar[tuple[str, ...]] = (
        "candidate.answer",
        "candidate.error",
        "candidate.promptDigest",
        "old.answer",
        "old.error",
        "old.promptDigest",
        "ruling.error",
        "ruling.promptDigest",
    )

    kind: Literal["Shadow"] = "Shadow"
    id: str = ""
    time: Annotated[str, Field(description="When the decision was asked for, RFC 3339, UTC.")]
    decision: Annotated[str, Field(description="Id of the decision.")]
    session: Annotated[str, Field(description="Id of the session.")]
    rollout: Annotated[str, Field(description="Salt of the rollout.")]
    candidate: Annotated[Candidate, Field(description="What the new revision made of it.")]
    old: Annotated[
        Candidate | None,
        Field(
            description="What the old one says when it is asked again, because the vote was "
            "settled without it or it failed. Absent: the decision has its part."
        ),
    ] = None
    ruling: Annotated[
        Ruling | None,
        Field(
            description="What the judge said of `old` and `new`, in the order in which they were "
            "shown. Absent: nobody was asked."
        ),
    ] = None
    preference: Annotated[
        float | None,
        Field(
            description="1: the new answer is preferred; 0: the old one; 0.5: they are the same. "
            "Absent: they were not compared."
        ),
    ] = None


Known = (
    Record
    | OutcomeEntry
    | ErasureEntry
    | RetentionEntry
    | AssignedEntry
    | MetricsEntry
    | SessionOutcomeEntry
    | ShadowEntry
)
AnyEntry = Annotated[Known, Field(discriminator="kind")]
_ADAPTER: TypeAdapter[Known] = TypeAdapter(AnyEntry)


@dataclass(frozen=True, slots=True)
class Stored:
    """An entry where it stands, with the key that its words are sealed under."""

    number: int
    entry: Known
    key: str | None


def understood(number: int, payload: bytes, keys: Keys) -> Stored:
    """The entry in a payload.

    Raises:
        LogDamagedError: its words were changed, or this version knows no such entry.
    """
    try:
        decoded = decode(payload, keys)
        return Stored(number, parse(decoded.document), decoded.key)
    except UnsealError as error:
        raise LogDamagedError(f"entry {number}: {error}") from error
    except (ValidationError, ValueError) as error:
        raise LogDamagedError(f"entry {number} is not one that this version understands") from error


def parse(document: dict[str, Any]) -> Known:
    """The entry in a JSON document.

    Raises:
        pydantic.ValidationError: this version knows no such entry.
    """
    return _ADAPTER.validate_python(document)
