"""The decision record: everything that made one decision, enough to count it again."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from crds.base import Decimal, Model
from crds.ensemble import Sampling
from runtime.arms import MAX_MARKS, TrialArm
from runtime.audit.entry import Entry
from runtime.consensus import Method, Outcome

#: What became of asking one member. ``Skipped``: known to be out, so not asked. ``Cancelled``: the
#: vote was settled without it.
CandidateState = Literal["Answered", "Failed", "Skipped", "Cancelled"]
#: Who ended an answer in its middle: the member itself, whoever asked, or the gateway, because time
#: was up or it is being stopped.
CutBy = Literal["Member", "Client", "Gateway"]

#: Why a member was asked a second time: it was later than 95 % of its last answers, or it failed.
Because = Literal["Slow", "Failed"]

#: The part of a session in a rollout. ``Shadow``: of the rest, and each of its questions is asked
#: of the new revision too. ``Tester``: told by the new revision, because somebody said so.
#: ``Promoted``: it began when everyone had the new revision, and is watched on.
Arm = Literal["Canary", "Baseline", "Rest", "Shadow", "Tester", "Promoted"]

#: Why an answer is not the ensemble's. ``Outvoted``: another had more weight. ``Outweighed``: a
#: heavier member's words were taken. ``NoWeight``: its member decides nothing. ``Settled``: the
#: vote was settled without it. ``NotPicked``: a judge took another text. ``Later``: another was
#: whole first. ``Unsure``: too few answered, or too little weight backed any.
Lost = Literal[
    "Outvoted",
    "Outweighed",
    "NoWeight",
    "NotPicked",
    "Later",
    "Unsure",
    "Settled",
    "Failed",
    "Skipped",
]


class TokenCount(Model):
    """Tokens of one generation, as the engine counted them."""

    prompt: int | None = None
    completion: int | None = None


class Try(Model):
    """One of the two requests to a member that was asked twice."""

    variant: Annotated[str | None, Field(description="Absent: the member has no variants.")] = None
    revision: str
    model: str
    because: Annotated[
        Because | None,
        Field(
            description="Why it went out: `Slow`, the first was late; `Failed`, it failed. Absent: "
            "it is the first."
        ),
    ] = None
    after_ms: Annotated[int, Field(description="When it went out, after the first.")] = 0
    state: Annotated[
        CandidateState,
        Field(
            description="`Cancelled`: the other was whole first, or the vote was settled. "
            "`Skipped`: it was known to be out, or there was no money."
        ),
    ]
    latency_ms: Annotated[
        int, Field(description="How long it took, or until it was cancelled.")
    ] = 0
    error: Annotated[
        str | None, Field(description="Why there is no answer: one word, then the details.")
    ] = None


class Candidate(Model):
    """One member's part."""

    member: str
    revision: str
    engine: str
    model: str
    weight: int
    variant: Annotated[
        str | None,
        Field(
            description="Which of its variants answered, or was asked first. Absent: it has none."
        ),
    ] = None
    why: Annotated[str | None, Field(description="Why that variant.")] = None
    tries: Annotated[
        list[Try] | None,
        Field(description="Both requests, where it was asked twice, the first of them first."),
    ] = None
    state: CandidateState
    answer: Annotated[
        str | None, Field(description="The option that it chose, or its text. Absent: none.")
    ] = None
    partial: Annotated[
        str | None,
        Field(
            description="What it had said when it broke off or was stopped, where that was told "
            "as it came. It counts for nothing."
        ),
    ] = None
    cut_by: Annotated[
        CutBy | None, Field(description="Who ended it there. Absent: nobody did.")
    ] = None
    follows: Annotated[
        str | None,
        Field(
            description="The heaviest member whose text was found to mean the same; itself where "
            "there is none. Absent: texts were not compared."
        ),
    ] = None
    arrived: Annotated[
        int | None, Field(description="Whose answer was whole first: 1, 2, ... Absent: none.")
    ] = None
    ballot: Annotated[
        int | None,
        Field(
            description="Which of the distinct answers it gave, numbered from 0 in the order of "
            "the candidates. It says enough to count the vote again without the words."
        ),
    ] = None
    lost: Annotated[
        Lost | None, Field(description="Why its answer is not the decision. Absent: it is.")
    ] = None
    latency_ms: Annotated[int, Field(description="Until its answer was whole, or it failed.")] = 0
    tokens: TokenCount | None = None
    cost_usd: Annotated[
        Decimal | None, Field(description="What it cost in US dollars. Absent: not known.")
    ] = None
    certainty: Annotated[
        float | None,
        Field(
            description="How sure the model was of its words, 0 to 1: the geometric mean of the "
            "probabilities of its tokens. Not a probability of being right. Absent: not known."
        ),
    ] = None
    sampling: Annotated[
        Sampling | None, Field(description="How it chose its words, with the seed if it had one.")
    ] = None
    error: Annotated[
        str | None, Field(description="Why there is no answer: one word, then the details.")
    ] = None
    prompt_digest: Annotated[
        str | None, Field(description="SHA-256 of what it was asked, to tell prompts apart.")
    ] = None

    @property
    def was_stood_in_for(self) -> bool:
        """Whether another way to be this member answered than the one that was chosen."""
        return self.tries is not None and self.tries[0].revision != self.revision


class Ruling(Model):
    """What one member made of the texts of all."""

    kind: Literal["Judge", "Fuse"]
    judge: str
    shown: Annotated[
        list[str],
        Field(description="Whose texts it saw, in the order of their letters: A, B, and so on."),
    ]
    state: Annotated[
        Literal["Answered", "Failed", "Skipped"],
        Field(description="Unless `Answered`, the heaviest member's text was taken."),
    ]
    pick: Annotated[str | None, Field(description="Whose text it picked, with `Judge`.")] = None
    text: Annotated[str | None, Field(description="What it wrote, with `Fuse`.")] = None
    latency_ms: int = 0
    tokens: TokenCount | None = None
    cost_usd: Annotated[
        Decimal | None, Field(description="What it cost in US dollars. Absent: not known.")
    ] = None
    error: Annotated[
        str | None, Field(description="Why there is none: one word, then the details.")
    ] = None
    prompt_digest: Annotated[
        str | None, Field(description="SHA-256 of what it was asked, to tell prompts apart.")
    ] = None


class Counting(Model):
    """How the answers were to be counted."""

    method: Method = "WeightedVote"
    minimum_votes: int
    when_no_quorum: Literal["BestMember", "Fallback"]
    minimum_confidence_percent: int = 0
    prose: Literal["Heaviest", "Cluster"] = "Heaviest"


class Result(Model):
    """What the ensemble came to. Each field follows from the candidates and the counting."""

    decision: Annotated[
        str, Field(description="One of the options; for an open question, the words themselves.")
    ]
    text: Annotated[
        str | None,
        Field(description="Words to show: the prose of an open question, or the fallback line."),
    ] = None
    outcome: Annotated[
        Outcome,
        Field(
            description="`Vote`: enough members answered. `BestMember`: too few did, the heaviest "
            "of them decided. `Fallback`: the declared line, and the first option. `Abstained`: "
            "the same, because too little weight backed any option. `Judged` and `Fused`: enough "
            "members answered, and one of them picked among their texts or wrote one from them."
        ),
    ]
    confidence: Annotated[
        float,
        Field(
            description="Share of the ensemble's whole weight known to back the decision, 0 to 1. "
            "Silent members count against it. Not a probability of being right."
        ),
    ]
    agreement: Annotated[
        float, Field(description="Share of the weight that was cast which backs the decision.")
    ]
    ballot: Annotated[
        int | None,
        Field(description="Number of the answer that won, among the candidates' ballots."),
    ] = None


class Place(Model):
    """Where a decision stands in its session: enough to note its turn again from the record."""

    turn: Annotated[int, Field(ge=1, description="Number of the turn in its session.")]
    chapter: Annotated[int, Field(ge=1, description="Chapter of the session.")] = 1
    first_turn: Annotated[
        int, Field(ge=1, description="First turn that this chapter tells word for word.")
    ] = 1
    cast: Annotated[
        str | None, Field(description="Digest of the members and revisions that were asked.")
    ] = None
    handover: Annotated[
        Literal["WindowFull", "ModelsChanged"] | None,
        Field(description="Why a new chapter began with this turn. Absent: none did."),
    ] = None


class Said(Model):
    """What one side of a conversation said."""

    role: str
    content: str


class Watched(Model):
    """What a decision counts as, and what it shows of the member that is tried out."""

    failed: Annotated[
        bool | None,
        Field(
            description="Whether the call of it failed, or it was out. Absent: nobody asked it, or "
            "it was cut off."
        ),
    ] = None
    slow: Annotated[
        bool | None,
        Field(
            description="Whether the call took longer than the rollout allows. Absent: it ended "
            "before that without an answer, or nothing is slow."
        ),
    ] = None
    until: Annotated[
        str | None,
        Field(
            description="It counts in whatever watches the session until then or longer, RFC 3339, "
            "UTC. Absent: an older record."
        ),
    ] = None


class Enrolled(Model):
    """The part of a session in an experiment."""

    experiment: Annotated[str, Field(description="Its name.")]
    rollout: Annotated[str, Field(description="Its salt, which its observations are found by.")]
    arm: TrialArm


class Record(Entry):
    """One decision. The log gives it its ``id``."""

    prefix: ClassVar[str] = "d"
    private: ClassVar[tuple[str, ...]] = (
        "player",
        "question",
        "options",
        "context",
        "told.*.content",
        "idempotencyKey",
        "candidates.*.answer",
        "candidates.*.partial",
        "candidates.*.error",
        "candidates.*.promptDigest",
        "candidates.*.tries.*.error",
        "ruling.text",
        "ruling.error",
        "ruling.promptDigest",
        "result.decision",
        "result.text",
    )

    kind: Literal["Decision"] = "Decision"
    id: str = ""
    schema_version: Literal[1] = 1
    time: Annotated[str, Field(description="When it was asked, RFC 3339, UTC.")]
    namespace: str | None = None
    storyteller: str
    world: str | None = None
    ensemble: Annotated[str | None, Field(description="Whom it asked.")] = None
    session: Annotated[
        str | None, Field(description="Absent: a completion, which belongs to no session.")
    ] = None
    model: Annotated[
        str | None,
        Field(description="Who was asked by a completion: the storyteller, or one member alone."),
    ] = None
    place: Annotated[
        Place | None, Field(description="Its turn in the session. Absent: an older record.")
    ] = None
    player: str | None = None
    rollout: Annotated[
        str | None,
        Field(description="Salt of the rollout that was under way. Absent: it was in none."),
    ] = None
    arm: Annotated[
        Arm | None,
        Field(
            description="Its part in that rollout: told by the new revision, by the old one to be "
            "held against it, or in neither (`Rest`); as `Shadow` it is in neither, and the new "
            "one was asked too; as `Tester` it is told by the new one, and not counted; as "
            "`Promoted` it is watched after everyone has the new one. Each candidate says its own "
            "revision."
        ),
    ] = None
    watched: Annotated[
        Watched | None,
        Field(
            description="What it counts as in that rollout, and in the experiments. Absent: the "
            "session is not watched, or no longer."
        ),
    ] = None
    experiments: Annotated[
        list[Enrolled] | None,
        Field(
            max_length=MAX_MARKS,
            description="The experiments that were under way and had the session in an arm. "
            "Absent: none.",
        ),
    ] = None
    question: str
    options: list[str] | None = None
    task: Annotated[
        str | None,
        Field(description="What kind of question it is, as the game named it. Absent: it did not."),
    ] = None
    context: str | dict[str, Any] | None = None
    told: Annotated[
        list[Said] | None,
        Field(
            description="The tale as the members were told it: the context of the session, what "
            "was decided before, the question. It is their prompt without the system's words."
        ),
    ] = None
    candidates: Annotated[
        list[Candidate], Field(description="Every member, in the order that breaks ties.")
    ]
    counting: Counting
    ruling: Annotated[
        Ruling | None, Field(description="Who picked or wrote. Absent: there was nothing to.")
    ] = None
    seed: Annotated[str, Field(description="Where what is drawn for this decision comes from.")] = (
        ""
    )
    complete: Annotated[
        bool,
        Field(
            description="It was drawn to wait for every member, so that members can be judged by "
            "it: one in twenty questions with options."
        ),
    ] = False
    cached_from: Annotated[
        str | None,
        Field(
            description="The decision whose candidates these are: nobody was asked for this one. "
            "Absent: its own."
        ),
    ] = None
    similarity: Annotated[
        float | None,
        Field(
            description="How alike the question is to that of `cachedFrom`, 0 to 1. Absent: it is "
            "the very same."
        ),
    ] = None
    fallback_line: Annotated[
        str, Field(description="What is said with the outcomes `Fallback` and `Abstained`.")
    ]
    result: Result
    latency_ms: int
    routes_generation: Annotated[int, Field(description="Generation of the ensemble.")]
    config_generation: Annotated[int, Field(description="Generation of the Storyteller.")]
    trace_id: str
    idempotency_key: str | None = None
    actor: Annotated[
        str | None, Field(description="Id of the API key that asked. Absent: not known.")
    ] = None
    erased: Annotated[
        Literal[True] | None,
        Field(description="Its words were destroyed on request. Absent: they are here."),
    ] = None

    @property
    def subject(self) -> str:
        """Whose words it holds: those of the player, or else of the session."""
        return subject_of(self.player, self.session)


class Vote(Model):
    """What a game sees of one member."""

    member: str
    answer: Annotated[str | None, Field(description="Its answer. Absent: it gave none.")] = None
    weight: int
    latency_ms: int
    error: Annotated[
        str | None, Field(description="Why it gave no answer. Absent when it was not needed.")
    ] = None

    @classmethod
    def of(cls, candidate: Candidate) -> "Vote":
        """The view of a candidate."""
        return cls(
            member=candidate.member,
            answer=candidate.answer,
            weight=candidate.weight,
            latency_ms=candidate.latency_ms,
            error=candidate.error,
        )


class Dissent(Model):
    """An answer that lost, and who gave it."""

    answer: str
    weight: int
    members: list[str]


class Decision(Result):
    """What a game gets: the result, who said what, and the id under which all of it is kept."""

    id: str
    session: str | None = None
    votes: list[Vote]
    dissent: list[Dissent]
    latency_ms: int
    cached: Annotated[
        Literal[True] | None,
        Field(description="An earlier answer to the same question. Absent: members were asked."),
    ] = None

    @classmethod
    def of(cls, record: Record) -> "Decision":
        """The view of a record."""
        return cls(
            **record.result.model_dump(exclude={"ballot"}),
            id=record.id,
            session=record.session,
            votes=[Vote.of(candidate) for candidate in record.candidates],
            dissent=_dissent(record),
            latency_ms=record.latency_ms,
            cached=True if record.cached_from else None,
        )


def subject_of(player: str | None, session: str | None) -> str:
    """Whose key seals what is said: the player's, or else the session's. Completions of nobody in
    particular share one."""
    if player is not None:
        return player_subject(player)
    return "completions" if session is None else f"session:{session}"


def player_subject(player: str) -> str:
    """The subject that a player is."""
    return f"player:{player}"


def _dissent(record: Record) -> list[Dissent]:
    if record.result.outcome == "Fused":
        return []  # all of them are in it
    others: dict[str, list[Candidate]] = {}
    for candidate in record.candidates:
        if candidate.answer is not None and candidate.answer != record.result.decision:
            others.setdefault(candidate.answer, []).append(candidate)
    losers = [
        Dissent(
            answer=answer,
            weight=sum(candidate.weight for candidate in group),
            members=[candidate.member for candidate in group],
        )
        for answer, group in others.items()
    ]
    return sorted(losers, key=lambda loser: -loser.weight)
