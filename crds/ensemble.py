"""ModelEnsemble: several models that answer together."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from crds.base import (
    Decimal,
    Image,
    ListAtomic,
    ListMap,
    MemberName,
    Model,
    ObjectName,
    Quantity,
    Rule,
    exactly_one,
)
from crds.common import (
    AGE_COLUMN,
    READY_COLUMN,
    WHY_COLUMN,
    Column,
    Kind,
    Names,
    Status,
    short_name_rule,
)
from crds.engines import Engine, Price
from crds.models import ModelStatus
from crds.rollout import MarginUse, Rollout, RolloutRequest, RolloutStatus

QualifiedName = Annotated[
    str,
    StringConstraints(
        pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$",
        max_length=128,
    ),
]
LabelValue = Annotated[
    str, StringConstraints(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$", max_length=63)
]
#: As much of a role as a member is told.
Role = Annotated[str, StringConstraints(pattern=r"[^ \t\r\n]", max_length=400)]


class Resources(Model):
    """Compute of one replica, as in a pod."""

    requests: Annotated[
        dict[QualifiedName, Quantity],
        Field(max_length=16, description="What the scheduler sets aside. Default: the limits."),
    ] = {}
    limits: Annotated[
        dict[QualifiedName, Quantity],
        Field(
            max_length=16,
            description="The most it may use: cpu, memory, nvidia.com/gpu. Default: none.",
        ),
    ] = {}


class Toleration(Model):
    """A taint that the pods put up with, as in a pod."""

    key: Annotated[
        str | None, Field(max_length=253, description="Key of the taint. Default: every key.")
    ] = None
    operator: Annotated[
        Literal["Exists", "Equal"] | None, Field(description="How to compare. Default Equal.")
    ] = None
    value: Annotated[
        str | None, Field(max_length=63, description="Value of the taint, for Equal.")
    ] = None
    effect: Annotated[
        Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None,
        Field(description="Effect of the taint. Default: every effect."),
    ] = None


class ModelCache(Model):
    """The volume at /models: exactly one."""

    claim_name: Annotated[
        ObjectName | None,
        Field(description="A PersistentVolumeClaim that holds models. It outlives the pods."),
    ] = None
    size_limit: Annotated[
        Quantity | None,
        Field(description="Space on the node for what the engine downloads. Gone with the pod."),
    ] = None

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("claimName", "sizeLimit"),)


class Scaling(Model):
    """How many replicas a member has."""

    min_replicas: Annotated[
        int, Field(ge=0, le=100, description="Replicas that always run. Default 1; 0 stops it.")
    ] = 1


class Sampling(Model):
    """How a member chooses its words."""

    temperature: Annotated[
        Decimal | None,
        Field(description="Randomness, 0 (none) to 2, as a string. Default: the engine's own."),
    ] = None
    top_p: Annotated[
        Decimal | None,
        Field(description="Share of probability to draw from, 0 to 1. Default: the engine's own."),
    ] = None
    seed: Annotated[
        int | None,
        Field(
            ge=0,
            le=2_147_483_647,
            description="Makes answers repeat, where the engine can. Default: none.",
        ),
    ] = None
    max_tokens: Annotated[
        int, Field(ge=1, le=32_768, description="Longest answer in tokens. Default 160.")
    ] = 160

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.temperature) || double(self.temperature) <= 2.0",
            'temperature must be from "0" to "2"',
        ),
        Rule("!has(self.topP) || double(self.topP) <= 1.0", 'topP must be from "0" to "1"'),
    )


HOSTED = "has(self.engine.openai) || has(self.engine.anthropic) || has(self.engine.google)"
GPUS_MATCH = Rule(
    "!has(self.engine.vllm) || !has(self.resources) || !has(self.resources.limits) || "
    "!('nvidia.com/gpu' in self.resources.limits) || "
    # Both spellings. Looking in a list is cheap to the cost estimate, comparing quantities is not.
    "self.resources.limits['nvidia.com/gpu'] in [dyn(self.engine.vllm.?tensorParallel.orValue(1)), "
    "dyn(string(self.engine.vllm.?tensorParallel.orValue(1)))]",
    "engine.vllm.tensorParallel must equal resources.limits['nvidia.com/gpu']",
)
#: What the member itself is called among its variants.
FULL = "full"


class Variant(Model):
    """A cheaper or quicker way to be the same member: quantized, distilled, or another model that
    stands in. It has the member's role, sampling, weight and timeout; its pods go where the
    member's go."""

    name: Annotated[
        MemberName,
        Field(description="Its name, for example quantized or distilled. `full` is the member."),
    ]
    engine: Annotated[Engine, Field(description="What it thinks with: exactly one.")]
    accuracy: Annotated[
        Decimal,
        Field(
            description="How often it is as right as the member itself, 0 to 1, as a string: from "
            "your own evaluation. The member has 1."
        ),
    ]
    relative_cost: Annotated[
        Decimal,
        Field(description="What an answer costs beside the member's own, which is 1. A string."),
    ]
    price: Annotated[
        Price | None,
        Field(
            description="What its tokens cost, for the record of each decision. Default: the list "
            "price that Fabula ships for a hosted model, otherwise unknown."
        ),
    ] = None
    image: Annotated[
        Image | None,
        Field(description="Container image of the engine. Default: the operator's own choice."),
    ] = None
    resources: Annotated[
        Resources | None,
        Field(description="Compute of one replica. Default: no request, no limit."),
    ] = None
    scaling: Annotated[Scaling | None, Field(description="How many replicas. Default: one.")] = None

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"self.name != '{FULL}'",
            f"{FULL} is the member itself; choose another name",
            ".name",
        ),
        Rule(
            "!has(self.accuracy) || double(self.accuracy) <= 1.0",
            'accuracy must be from "0" to "1"',
            ".accuracy",
        ),
        GPUS_MATCH,
        Rule(
            f"!({HOSTED}) || !(has(self.image) || has(self.resources) || has(self.scaling))",
            "a hosted engine runs no pod; remove image, resources and scaling",
        ),
    )


class Member(Model):
    """One voice of the ensemble."""

    name: Annotated[
        MemberName,
        Field(description="Its name, a DNS label of at most 20 characters."),
    ]
    weight: Annotated[
        int,
        Field(
            ge=0,
            le=1000,
            description="How much its vote counts beside the others'. Default 1. With 0 it is "
            "asked and recorded, decides nothing and is not waited for.",
        ),
    ] = 1
    role: Annotated[
        Role | None,
        Field(
            description="What this member looks after, told to it before every question. Default: "
            "nothing."
        ),
    ] = None
    engine: Annotated[Engine, Field(description="What it thinks with: exactly one.")]
    sampling: Annotated[
        Sampling | None, Field(description="How it chooses its words. Default: the engine's own.")
    ] = None
    timeout_seconds: Annotated[
        int | None,
        Field(
            ge=1,
            le=600,
            description="How long to wait for its answer. Default: `consensus.timeoutSeconds`.",
        ),
    ] = None
    price: Annotated[
        Price | None,
        Field(
            description="What its tokens cost, for the record of each decision. Set it when you "
            "pay another price, or know what a pod costs. Default: the list price that Fabula "
            "ships for a hosted model, otherwise unknown."
        ),
    ] = None
    image: Annotated[
        Image | None,
        Field(description="Container image of the engine. Default: the operator's own choice."),
    ] = None
    resources: Annotated[
        Resources | None,
        Field(description="Compute of one replica. Default: no request, no limit."),
    ] = None
    node_selector: Annotated[
        dict[QualifiedName, LabelValue],
        Field(max_length=16, description="Labels a node must have. Default: any node."),
    ] = {}
    tolerations: Annotated[
        list[Toleration],
        ListAtomic(),
        Field(max_length=16, description="Taints that it puts up with. Default: none."),
    ] = []
    runtime_class_name: Annotated[
        ObjectName | None, Field(description="RuntimeClass of the pods. Default: the node's own.")
    ] = None
    model_cache: Annotated[
        ModelCache | None, Field(description="The volume at /models. Default: an empty one.")
    ] = None
    scaling: Annotated[Scaling | None, Field(description="How many replicas. Default: one.")] = None
    variants: Annotated[
        list[Variant],
        ListMap(),
        Field(
            max_length=4,
            description="Other ways to be this member. `serving` says which of them is asked. "
            "Default: none.",
        ),
    ] = []

    rules: ClassVar[tuple[Rule, ...]] = (
        GPUS_MATCH,
        Rule(
            f"!({HOSTED}) || !(has(self.image) || has(self.resources) || has(self.scaling) || "
            "has(self.modelCache) || has(self.nodeSelector) || has(self.tolerations) || "
            "has(self.runtimeClassName))",
            "a hosted engine runs no pod; remove image, resources, scaling, modelCache, "
            "nodeSelector, tolerations and runtimeClassName",
        ),
    )


class Consensus(Model):
    """How the members agree."""

    method: Annotated[
        Literal["WeightedVote", "LogOdds", "Judge", "Fuse", "First"],
        Field(
            description="`WeightedVote` (default): each member's answer counts with its weight; "
            "the largest sum wins, and of free texts that of the heaviest member. `Judge`: of free "
            "texts the member `judge` picks one. `Fuse`: it writes one text from all of them. Both "
            "vote where a question has options. `First`: the answer that is whole first is taken. "
            "`LogOdds`: a vote whose weights each gateway learns, for each task, from the outcomes "
            "that games report of one decision in twenty; a member counts by how often it is right "
            "and how little it errs with the others. The declared weights count until then, and as "
            "a prior after. A weight of 0 stays 0."
        ),
    ] = "WeightedVote"
    judge: Annotated[
        MemberName | None,
        Field(
            description="The member that picks (`Judge`) or writes (`Fuse`). It is asked a second "
            "time, within the same timeout: others have 60 % of it for their texts. With a weight "
            "of 0 it only judges. When it fails, the heaviest member's text is taken."
        ),
    ] = None
    prose: Annotated[
        Literal["Heaviest", "Cluster"],
        Field(
            description="What is told where a question has no options: `Heaviest` (default), the "
            "text of the member with the largest weight; `Cluster`, texts that mean the same add "
            "up, and of the heaviest group the heaviest member's text. With `Judge` and `Fuse` one "
            "text of each group is shown. It costs the gateway 120 MB of memory and 5 to 10 ms of "
            "a core a text."
        ),
    ] = "Heaviest"
    timeout_seconds: Annotated[
        int,
        Field(
            ge=1,
            le=600,
            description="How long to wait for answers. Default 20. Who has not answered by then "
            "does not vote.",
        ),
    ] = 20
    minimum_votes: Annotated[
        int | None,
        Field(
            ge=1,
            le=16,
            description="Answers that a decision needs, of members with a weight above 0. Default: "
            "half of those that run, rounded up; 1 with the method `First`.",
        ),
    ] = None
    minimum_confidence_percent: Annotated[
        int,
        Field(
            ge=0,
            le=100,
            description="Share of the ensemble's whole weight that has to back an option. Less is "
            "no decision: the outcome is `Abstained`, and the Storyteller's fallback is told. "
            "Default 0. Free text is not subject to it.",
        ),
    ] = 0
    when_no_quorum: Annotated[
        Literal["BestMember", "Fallback"],
        Field(
            description="With fewer answers than that: `BestMember` (default) takes the answer "
            "with the largest weight and says so; `Fallback` takes the Storyteller's fallback."
        ),
    ] = "BestMember"

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.judge) == (has(self.method) && self.method in ['Judge', 'Fuse'])",
            "consensus.judge names who picks or writes: set it with method Judge or Fuse, and only "
            "with them",
        ),
        Rule(
            "!has(self.method) || self.method != 'First' || !has(self.minimumVotes) || "
            "self.minimumVotes == 1",
            "method First takes one answer; remove consensus.minimumVotes or set it to 1",
            ".minimumVotes",
        ),
    )


class Hedging(Model):
    """A second request for a question whose answer is late: later than 95 % of the last answers of
    whoever was asked, as each gateway measures it. It goes to another variant that is accurate
    enough, or else to the same one again, where another replica may answer; the first whole answer
    counts, and the other request is cancelled."""

    max_percent: Annotated[
        int,
        Field(
            ge=1,
            le=50,
            description="Of a hundred questions to a member, so many may be asked a second time; "
            "that is how much more load and money it can cost. Default 5.",
        ),
    ] = 5


class Serving(Model):
    """Which variant of a member is asked: of those that answer, are accurate enough and quick
    enough, the preferred one; if none is both, the most accurate one that answers."""

    prefer: Annotated[
        Literal["Accuracy", "Cost", "Latency"],
        Field(
            description="`Accuracy` (default): the most accurate. `Cost`: the cheapest. `Latency`: "
            "the quickest, as the gateways measure it."
        ),
    ] = "Accuracy"
    minimum_accuracy: Annotated[
        Decimal | None,
        Field(description="The least `accuracy` that will do, 0 to 1, as a string. Default: any."),
    ] = None
    target_milliseconds: Annotated[
        int | None,
        Field(
            ge=1,
            le=600_000,
            description="19 of 20 answers should be whole within this time. Default: no target.",
        ),
    ] = None
    hedging: Annotated[
        Hedging | None,
        Field(description="A second request where an answer is late. Default: none."),
    ] = None

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.minimumAccuracy) || double(self.minimumAccuracy) <= 1.0",
            'minimumAccuracy must be from "0" to "1"',
            ".minimumAccuracy",
        ),
    )

    @property
    def words(self) -> str:
        """The rule, for people."""
        best = {"Accuracy": "most accurate", "Cost": "cheapest", "Latency": "quickest"}
        limits = []
        if self.minimum_accuracy is not None:
            limits.append(f"with an accuracy of at least {self.minimum_accuracy}")
        if self.target_milliseconds is not None:
            limits.append(f"within {self.target_milliseconds} ms")
        return " ".join(
            [f"the {best[self.prefer]} variant that answers", " and ".join(limits)]
        ).strip()


class ModelEnsembleSpec(Model):
    """What a ModelEnsemble says."""

    world_ref: Annotated[
        ObjectName | None,
        Field(description="The World it belongs to, in the same namespace. Default: none."),
    ] = None
    members: Annotated[
        list[Member],
        ListMap(),
        Field(min_length=1, max_length=16, description="The models that answer, 1 to 16."),
    ]
    consensus: Annotated[Consensus, Field(description="How they agree.")] = Consensus()
    serving: Annotated[
        Serving | None,
        Field(
            description="Which variant of a member is asked. Default: the member itself, and while "
            "it is out the most accurate variant that answers."
        ),
    ] = None
    rollout: Annotated[
        Rollout | None,
        Field(
            description="How a changed member reaches players. Default: everyone gets the new "
            "revision as soon as it is ready, and the old one goes."
        ),
    ] = None

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.members.exists(m, !has(m.weight) || m.weight > 0)",
            "at least one member needs a weight above 0",
            ".members",
        ),
        Rule(
            "!has(self.consensus) || !has(self.consensus.minimumVotes) || "
            "self.consensus.minimumVotes <= "
            "self.members.filter(m, !has(m.weight) || m.weight > 0).size()",
            "consensus.minimumVotes must not exceed the number of members with a weight above 0; "
            "lower it or add members",
            ".consensus.minimumVotes",
        ),
        Rule(
            "!has(self.consensus) || !has(self.consensus.judge) || "
            "self.members.exists(m, m.name == self.consensus.judge)",
            "consensus.judge must be the name of a member; correct it or add the member",
            ".consensus.judge",
        ),
        Rule(
            "!has(self.rollout) || !has(self.rollout.shadow) || !has(self.rollout.shadow.judge) || "
            "self.members.exists(m, m.name == self.rollout.shadow.judge)",
            "rollout.shadow.judge must be the name of a member; correct it or add the member",
            ".rollout.shadow.judge",
        ),
        Rule(
            "!has(self.rollout) || !has(self.rollout.surge) || self.rollout.surge > 0 || "
            f"self.members.exists(m, {HOSTED.replace('self', 'm')} || "
            "(has(m.scaling) && has(m.scaling.minReplicas) && m.scaling.minReplicas != 1))",
            "rollout.surge 0 takes the new revision's place from the old, and every member has one "
            "replica; raise scaling.minReplicas to 2, or leave surge at 1",
            ".rollout.surge",
        ),
    )


class VariantStatus(Model):
    """What the operator sees of one variant, or of the member itself."""

    name: Annotated[str, Field(max_length=20, description="Its name.")]
    engine: Annotated[str, Field(max_length=16, description="What it thinks with.")]
    revision: Annotated[
        str,
        Field(
            max_length=16,
            description="The revision that the spec asks for; until a model by uri is there, the "
            "one before.",
        ),
    ]
    serving: Annotated[
        str | None,
        Field(max_length=16, description="The revision that answers now. Absent: none does."),
    ] = None
    stable: Annotated[
        str | None,
        Field(
            max_length=16,
            description="The revision that players have unless they are in a canary. Absent: none "
            "has answered yet.",
        ),
    ] = None
    ready: Annotated[int, Field(ge=0, description="Replicas of `revision` that are ready.")] = 0
    desired: Annotated[int, Field(ge=0, description="Replicas of `revision` wanted.")] = 0
    condition: Annotated[
        Literal[
            "Serving",
            "Starting",
            "RollingOut",
            "Canary",
            "HeldBack",
            "Hosted",
            "Stopped",
            "Failing",
        ],
        Field(description="Where it stands, in one word."),
    ]
    message: Annotated[
        str | None, Field(max_length=512, description="Why, and what to do about it.")
    ] = None
    model: Annotated[
        ModelStatus | None,
        Field(description="The model that the spec asks for. Absent: it does not come by uri."),
    ] = None


class MemberStatus(VariantStatus):
    """What the operator sees of one member."""

    traffic_percent: Annotated[
        int | None,
        Field(
            ge=0,
            le=100,
            description="Share of new sessions that `revision` gets while it is a canary.",
        ),
    ] = None
    held_back: Annotated[
        str | None,
        Field(
            max_length=16,
            description="Digest of what was sent back, by `Abort`, `Undo` or what the analysis "
            "found: it is not rolled out again before the member changes, or `Retry`.",
        ),
    ] = None
    variants: Annotated[
        list[VariantStatus], ListMap(), Field(max_length=4, description="Each of its variants.")
    ] = []
    margins: Annotated[
        list[MarginUse],
        ListMap(("metric",)),
        Field(max_length=8, description="What its promotions may have cost, by guardrail."),
    ] = []


class ModelEnsembleStatus(Status):
    """What the operator sees of a ModelEnsemble."""

    request: Annotated[
        RolloutRequest | None,
        Field(description="Ask the operator for something: `kubectl patch --subresource=status`."),
    ] = None  # type: ignore[assignment]  # more actions than other kinds have
    rollout: Annotated[
        RolloutStatus | None,
        Field(description="The rollout under way, or the last one. Absent: there was none."),
    ] = None

    members: Annotated[
        list[MemberStatus], ListMap(), Field(max_length=16, description="Each member.")
    ] = []
    members_ready: Annotated[
        str | None, Field(max_length=16, description="Members that can answer of all, as in 3/3.")
    ] = None
    routes: Annotated[
        str | None,
        Field(max_length=16, description="Digest of the route table that the gateways follow."),
    ] = None
    serving: Annotated[
        str | None,
        Field(
            max_length=256,
            description="Which variant of a member is asked, in words. Absent: no member has any.",
        ),
    ] = None


class ModelEnsemble(Kind):
    """Several models that answer the same question in parallel and settle on one answer."""

    names: ClassVar[Names] = Names("ModelEnsemble", "modelensembles", "me")
    columns: ClassVar[tuple[Column, ...]] = (
        READY_COLUMN,
        Column("Members", ".status.membersReady", description="Members that can answer, of all."),
        Column("Rollout", ".status.rollout.progress", description="How far the rollout is."),
        Column("World", ".spec.worldRef", description="The World it belongs to."),
        WHY_COLUMN,
        AGE_COLUMN,
    )
    selectable: ClassVar[tuple[str, ...]] = (".spec.worldRef",)
    rules: ClassVar[tuple[Rule, ...]] = (short_name_rule(),)

    spec: Annotated[ModelEnsembleSpec, Field(description="What you want.")]
    status: Annotated[ModelEnsembleStatus, Field(description="What is.")] = ModelEnsembleStatus()
