"""Storyteller: the gateway that game clients call."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from crds.base import (
    Decimal,
    Image,
    ListAtomic,
    ListMap,
    Model,
    ObjectName,
    Quantity,
    Rule,
    Text,
    Timestamp,
)
from crds.common import (
    AGE_COLUMN,
    READY_COLUMN,
    WHY_COLUMN,
    Column,
    ConfigMapFolder,
    ConfigMapRef,
    DeletionPolicy,
    Kind,
    Names,
    Scale,
    SecretRef,
    Status,
    short_name_rule,
)
from crds.ensemble import Resources
from crds.figures import Figures
from crds.limits import Cors, Limits, Spend
from crds.templates import TRIED_AT_ONCE, TemplateName, TriedTemplate
from crds.world import Promoted


class Persona(Model):
    """Who speaks."""

    config_map_ref: Annotated[ConfigMapRef, Field(description="The ConfigMap that holds the text.")]


class Prompts(Model):
    """What members are told, as templates."""

    config_map_ref: Annotated[
        ConfigMapFolder,
        Field(
            description="The ConfigMap with the Jinja2 templates `system.j2` (who a member is) and "
            "`user.j2` (what it is asked). One that is not there stays the default; `fabula "
            "prompts` prints and checks them."
        ),
    ]


class Fallback(Model):
    """What is said when no model can answer."""

    lines: Annotated[
        list[Annotated[Text, Field(max_length=500)]],
        ListAtomic(),
        Field(
            min_length=1,
            max_length=20,
            description="Lines to choose from, in turn. A question with options gets its first "
            "option beside the line.",
        ),
    ]


class Sessions(Model):
    """How long a story stays in mind."""

    context_tokens: Annotated[
        int,
        Field(
            ge=512,
            le=1_048_576,
            description="The most that a member is told with one question, in tokens, its answer "
            "included. Default 8192. A member whose own window is smaller is told less. Facts are "
            "always told, then as many of the latest turns as fit. More costs more.",
        ),
    ] = 8192
    handover: Annotated[
        Literal["Summarize", "Truncate"],
        Field(
            description="What a new chapter begins with when the window is full or the models "
            "change, beside the facts and the last turn: `Summarize` (default) a summary that a "
            "member wrote, `Truncate` as many of the last turns as fill half of the window."
        ),
    ] = "Summarize"
    expire_after_hours: Annotated[
        int,
        Field(
            ge=1,
            le=8760,
            description="Hours after its last turn until a session is forgotten. Default 72. Its "
            "decisions stay in the log.",
        ),
    ] = 72


class DecisionLog(Model):
    """Where decisions are written."""

    storage: Annotated[
        Quantity,
        Field(
            description="Size of each replica's volume. Default 1Gi. Cannot change: Kubernetes "
            "cannot resize the claims of a StatefulSet."
        ),
    ] = "1Gi"
    storage_class_name: Annotated[
        ObjectName | None,
        Field(description="StorageClass of the volumes. Default: the cluster's. Cannot change."),
    ] = None
    retention_days: Annotated[
        int | None,
        Field(
            ge=1,
            le=36_500,
            description="Days that decisions are kept; up to 2 days later they are removed, while "
            "their hashes stay, so that all proofs go on. Default: kept for ever.",
        ),
    ] = None

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            " && ".join(
                f"has(self.{field}) == has(oldSelf.{field}) && "
                f"(!has(self.{field}) || self.{field} == oldSelf.{field})"
                for field in ("storage", "storageClassName")
            ),
            "storage and storageClassName cannot change; delete the Storyteller and create it "
            "again, with another name to keep the old volume",
        ),
    )


class ExactCache(Model):
    """Give an answer again to the very same question."""

    ttl_minutes: Annotated[
        int,
        Field(
            ge=1,
            le=10_080,
            description="How long an answer may be given again. Default 10, at most a week.",
        ),
    ] = 10


class SemanticCache(Model):
    """Give an answer again to a question that means the same."""

    min_similarity: Annotated[
        Decimal,
        Field(
            description="How alike two questions must be: the cosine of their embeddings, from 0.8 "
            "to 1, as a string. Default 0.97."
        ),
    ] = "0.97"
    ttl_minutes: Annotated[
        int,
        Field(
            ge=1,
            le=10_080,
            description="How long an answer may be given again. Default 60, at most a week.",
        ),
    ] = 60

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.minSimilarity) || "
            "(double(self.minSimilarity) >= 0.8 && double(self.minSimilarity) <= 1.0)",
            'minSimilarity must be from "0.8" to "1"',
            ".minSimilarity",
        ),
    )


class Cache(Model):
    """What may be answered from memory."""

    exact: Annotated[
        ExactCache | None,
        Field(
            description="The very same question, when the members would be told the very same: "
            "persona, lore, player, contexts, the story so far, options. Default: never."
        ),
    ] = None

    semantic: Annotated[
        SemanticCache | None,
        Field(
            description="A question in other words, where everything else is the very same. "
            "Default: never."
        ),
    ] = None

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.exact) || has(self.semantic)",
            "set exact, semantic or both, or remove cache: an empty one keeps nothing",
        ),
    )


class StorytellerSpec(Model):
    """What a Storyteller says."""

    world_ref: Annotated[
        ObjectName | None,
        Field(description="The World whose story it tells, in the same namespace. Default: none."),
    ] = None
    ensemble_ref: Annotated[
        ObjectName,
        Field(description="The ModelEnsemble that it asks, in the same namespace."),
    ]
    persona: Annotated[
        Persona | None,
        Field(description="Who speaks: told to every member. Default: a plain narrator."),
    ] = None
    prompts: Annotated[
        Prompts | None,
        Field(
            description="The templates of what members are told. Default: those that ship. "
            "Templates that cannot be used change nothing; the Ready condition says why."
        ),
    ] = None
    replicas: Annotated[
        int,
        Field(
            ge=1,
            le=9,
            description="Gateways. Default 1. More need a World with `stores.hot`, where all of "
            "them find the sessions: without a World more than one is refused, with one that has "
            "no hot store one runs.",
        ),
    ] = 1
    sessions: Annotated[
        Sessions, Field(description="How long a story stays in mind. Default: see its fields.")
    ] = Sessions()
    cache: Annotated[
        Cache | None,
        Field(
            description="Answers that may be given again without asking the members. Default: "
            "none, because a story should not repeat itself unless asked to."
        ),
    ] = None
    fallback: Annotated[
        Fallback | None,
        Field(description="What is said when no model can answer. Default: one quiet line."),
    ] = None
    api_keys_secret_ref: Annotated[
        SecretRef | None,
        Field(
            description="The Secret whose items are the API keys of games, made with `fabula keys "
            "create`. It is mounted into the gateway, and a changed item takes effect within two "
            "minutes; while it has no key, every call is refused. Default: no keys are asked for, "
            "and whoever reaches the gateway may call it."
        ),
    ] = None
    cors: Annotated[
        Cors | None,
        Field(description="Which web pages may call it from a browser. Default: none."),
    ] = None
    limits: Annotated[
        Limits | None,
        Field(description="How often it may be called, and for how much. Default: no limits."),
    ] = None
    decision_log: Annotated[
        DecisionLog, Field(description="Where decisions are written, one volume a gateway.")
    ] = DecisionLog()
    deletion_policy: Annotated[
        DeletionPolicy | None,
        Field(
            description="What becomes of the volumes when this Storyteller is deleted: `Retain` or "
            "`Delete`. Default: what the World says, else Retain."
        ),
    ] = None
    image: Annotated[
        Image | None,
        Field(description="Container image of the gateway. Default: the operator's own choice."),
    ] = None
    resources: Annotated[
        Resources | None,
        Field(description="Compute of one gateway. Default: a small request, no limit."),
    ] = None

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.replicas) || self.replicas == 1 || has(self.worldRef)",
            "replicas above 1 need a World whose spec.stores.hot keeps sessions outside the "
            "gateway; set replicas to 1, or set worldRef",
            ".replicas",
        ),
    )


class Voice(Model):
    """How the gateways see one member."""

    name: Annotated[str, Field(max_length=20, description="The member.")]
    answers: Annotated[bool, Field(description="Whether it answers.")]
    reason: Annotated[
        Literal["MissingKey", "Unreachable", "Failing"] | None,
        Field(
            description="Why it does not: `MissingKey` (its API key is not mounted), `Unreachable` "
            "(no answer to a probe), `Failing` (its last answers were errors; it rests)."
        ),
    ] = None
    message: Annotated[
        str | None, Field(max_length=512, description="Why not, and what to do about it.")
    ] = None
    variant: Annotated[
        str | None,
        Field(
            max_length=512,
            description="Which of its variants were asked lately, in steps of 10 %, by which rule, "
            "and which are out. Absent: it has none.",
        ),
    ] = None
    hedging: Annotated[
        str | None,
        Field(
            max_length=256,
            description="After how long it is asked a second time (95 % of its last answers came "
            "sooner), and how often that was so lately. Absent: `serving.hedging` is not set.",
        ),
    ] = None


class PromptStatus(Model):
    """A template that members are told by."""

    name: Annotated[TemplateName, Field(description="Which of the two.")]
    source: Annotated[
        Literal["Default", "ConfigMap", "Promoted"],
        Field(
            description="`Default`: the one that ships. `ConfigMap`: that of `spec.prompts`. "
            "`Promoted`: what an experiment proved; the text is in ConfigMap "
            "`<storyteller>-promoted`."
        ),
    ]
    digest: Annotated[
        str | None,
        Field(
            max_length=16,
            description="SHA-256 of its text, the first 16 hex digits. Absent: it is the one that "
            "ships.",
        ),
    ] = None
    spec_digest: Annotated[
        str | None,
        Field(max_length=16, description="The same of what `spec.prompts` says, whatever holds."),
    ] = None


class AuditLog(Model):
    """What the log of one gateway committed to, as the operator took it last."""

    replica: Annotated[str, Field(max_length=63, description="The gateway's pod.")]
    size: Annotated[int, Field(ge=0, description="Entries in the log.")]
    root: Annotated[
        str, Field(max_length=44, description="Root of its Merkle tree (RFC 6962), base64.")
    ]
    key: Annotated[
        str,
        Field(
            max_length=400,
            description="The public key that signed it, for `fabula audit verify --key`.",
        ),
    ]
    at: Annotated[
        Timestamp,
        Field(description="When it was taken. A log that grows is taken every 10 minutes."),
    ]
    fault: Annotated[
        Literal["LogShrank", "LogRewritten", "LogKeyChanged", "LogUnsigned"] | None,
        Field(
            description="Why what the gateway says now is refused: `LogShrank` (it has fewer "
            "entries), `LogRewritten` (entries that it signed are others now), `LogKeyChanged`, "
            "`LogUnsigned` (the signature does not fit)."
        ),
    ] = None


class StorytellerStatus(Status):
    """What the operator sees of a Storyteller."""

    url: Annotated[
        str | None, Field(max_length=300, description="Where games call it, inside the cluster.")
    ] = None
    voices: Annotated[
        list[Voice], ListMap(), Field(max_length=16, description="Each member of the ensemble.")
    ] = []
    answering: Annotated[
        str | None, Field(max_length=16, description="Members that answer of all, as in 2/3.")
    ] = None
    access: Annotated[
        str | None,
        Field(max_length=600, description="Who may call it, and which keys are not usable."),
    ] = None
    budgets: Annotated[
        list[Spend],
        ListMap(),
        Field(max_length=8, description="How much of each cap is used up in its day or month."),
    ] = []
    audit: Annotated[
        list[AuditLog],
        ListMap(("replica",)),
        Field(max_length=16, description="What the log of each gateway committed to."),
    ] = []
    consensus: Annotated[
        Figures | None,
        Field(
            description="Whether asking several models is worth it, by the outcomes that games "
            "reported. Each gateway knows those of its own decisions; this is what the one with "
            "the most says."
        ),
    ] = None
    prompts: Annotated[
        list[PromptStatus], ListMap(), Field(max_length=2, description="What members are told by.")
    ] = []
    promoted: Annotated[
        list[Promoted],
        ListMap(("target",)),
        Field(
            max_length=2,
            description="What experiments proved and everyone is told by. To keep it for good, put "
            "the text into the ConfigMap of `spec.prompts`; to drop it, edit what that says.",
        ),
    ] = []
    tried: Annotated[
        list[TriedTemplate],
        ListMap(("name", "digest")),
        Field(
            max_length=TRIED_AT_ONCE,
            description="Templates that experiments try or want to, and what the gateways say of "
            "them.",
        ),
    ] = []
    replicas: Annotated[int, Field(ge=0, description="Gateways that run.")] = 0
    selector: Annotated[
        str | None, Field(max_length=300, description="Labels of the gateways, for autoscalers.")
    ] = None


class Storyteller(Kind):
    """The service that a game asks for decisions and prose, and that writes each one down."""

    names: ClassVar[Names] = Names("Storyteller", "storytellers", "st")
    columns: ClassVar[tuple[Column, ...]] = (
        READY_COLUMN,
        Column("Answering", ".status.answering", description="Members that answer, of all."),
        Column("World", ".spec.worldRef", description="The World it belongs to."),
        Column("URL", ".status.url", description="Where games call it."),
        Column(
            "Voters",
            ".status.consensus.effectiveVoters",
            description="How many independent voters the members are worth.",
            wide=True,
        ),
        WHY_COLUMN,
        AGE_COLUMN,
    )
    scale: ClassVar[Scale | None] = Scale(".spec.replicas", ".status.replicas", ".status.selector")
    selectable: ClassVar[tuple[str, ...]] = (".spec.worldRef", ".spec.ensembleRef")
    rules: ClassVar[tuple[Rule, ...]] = (short_name_rule(),)

    spec: Annotated[StorytellerSpec, Field(description="What you want.")]
    status: Annotated[StorytellerStatus, Field(description="What is.")] = StorytellerStatus()
