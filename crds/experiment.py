"""EvolutionExperiment: an idea about the game, tried on some players and kept if it is proven."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from crds.base import (
    Decimal,
    ListAtomic,
    ListMap,
    ListSet,
    MetricName,
    Model,
    ObjectName,
    Rule,
    Text,
    Timestamp,
    exactly_one,
)
from crds.cohorts import MAX_COHORTS, CohortName
from crds.common import (
    AGE_COLUMN,
    WHY_COLUMN,
    Column,
    ConfigMapRef,
    Kind,
    Names,
    Status,
    short_name_rule,
)
from crds.rollout import Judged, VerdictKind
from crds.templates import TemplateName
from crds.tunables import TunableName, ValueText


class TunableChange(Model):
    """Another value for a tunable of the World."""

    name: Annotated[TunableName, Field(description="The tunable, as `spec.tunables` names it.")]
    value: Annotated[
        ValueText,
        Field(
            description="The value that the canary gets, as a string. It must be within `bounds` "
            "and `oneOf`, at most `bounds.maxStep` from what holds now, and not locked."
        ),
    ]


class PromptChange(Model):
    """Another template for what a Storyteller tells its members."""

    storyteller: Annotated[
        ObjectName, Field(description="The Storyteller, of the same World. Its sessions take part.")
    ]
    name: Annotated[
        TemplateName,
        Field(
            description="Which template: `system.j2` (who a member is) or `user.j2` (what it is "
            "asked)."
        ),
    ]
    config_map_ref: Annotated[
        ConfigMapRef,
        Field(
            description="The text that the canary gets. The gateways look at it before it begins; "
            "whoever edits it in the middle begins the experiment anew."
        ),
    ]


class Change(Model):
    """One thing that is other in the canary: exactly one."""

    tunable: Annotated[
        TunableChange | None, Field(description="Another value for a tunable of the World.")
    ] = None
    prompt: Annotated[
        PromptChange | None,
        Field(description="Another template for what a Storyteller tells its members."),
    ] = None

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("tunable", "prompt"),)


def _above_0(field: str) -> Rule:
    """Points that have to be more than none."""
    return Rule(
        f"!has(self.{field}) || (double(self.{field}) > 0.0 && double(self.{field}) < 100.0)",
        f'{field} must be above "0" and below "100"; the smaller, the more sessions it takes',
        f".{field}",
    )


class ExpectedEffect(Model):
    """What the hypothesis foretells, to be held against what is found."""

    metric: Annotated[MetricName, Field(description="A metric that is judged here.")]
    points: Annotated[
        Decimal,
        Field(
            description="How much better it is thought to become, in points: hundredths of "
            "sessions, or of the range from `low` to `high`. As a string."
        ),
    ]


class Objective(Model):
    """What has to become better."""

    metric: Annotated[
        MetricName,
        Field(
            description="One that the World declares in `spec.metrics` and the game posts, or "
            "`fallbacks`. It has to be proven better, with 95 % confidence and by however little, "
            "for everyone to follow."
        ),
    ]
    minimum_effect_points: Annotated[
        Decimal,
        Field(
            description="The least gain that is worth finding, in points: hundredths of sessions, "
            "or of the range from `low` to `high`. Above 0, below 100, as a string. It says how "
            "many sessions are needed; half of it takes four times as many."
        ),
    ]

    rules: ClassVar[tuple[Rule, ...]] = (_above_0("minimumEffectPoints"),)


class ExperimentGuardrail(Model):
    """What must not get worse by more than a margin."""

    metric: Annotated[
        MetricName,
        Field(
            description="One that the World declares in `spec.metrics` and the game posts, or "
            "`fallbacks`: sessions that were told a fallback line."
        ),
    ]
    margin_points: Annotated[
        Decimal | None,
        Field(
            description="How much worse than the baseline is still called no worse, in points: "
            "hundredths of sessions, or of the range from `low` to `high`. Above 0, below 100, as "
            'a string. Default "1".'
        ),
    ] = None

    rules: ClassVar[tuple[Rule, ...]] = (_above_0("marginPoints"),)


class Canary(Model):
    """How many units get the change, and for how long they are watched."""

    steps: Annotated[
        list[Annotated[int, Field(ge=1, le=50)]],
        ListAtomic(),
        Field(
            min_length=1,
            max_length=10,
            description="Shares of the sessions, or players, in percent, in this order. As many "
            "more, without the change, are the baseline, so 50 is the most. Default 5, 20, 50.",
        ),
    ] = [5, 20, 50]
    step_minutes: Annotated[
        int,
        Field(
            ge=1,
            le=40_320,
            description="How long each step lasts, in minutes. After the last one everyone follows "
            "when it is proven. Default 1440, a day.",
        ),
    ] = 1440
    window_seconds: Annotated[
        int,
        Field(
            ge=1,
            le=86_400,
            description="How long a session, or a player, is watched from its beginning, in "
            "seconds. What comes later does not count, and none counts before. Default 600.",
        ),
    ] = 600
    max_pairs: Annotated[
        int,
        Field(
            ge=10,
            le=100_000,
            description="Pairs, one of the canary and one of the baseline, after which what is not "
            "proven is Inconclusive. Default 5000.",
        ),
    ] = 5000
    deadline_minutes: Annotated[
        int,
        Field(
            ge=1,
            le=40_320,
            description="How long to wait for proof once the last step is over, in minutes; then "
            "it is Inconclusive, data or none. Default 1440.",
        ),
    ] = 1440
    rollback_seconds: Annotated[
        int,
        Field(
            ge=4,
            le=300,
            description="How soon harm that is on record is acted on, in seconds: the gateways are "
            "asked twice in this time. Default 30.",
        ),
    ] = 30

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.steps) || self.steps.isSorted()",
            "steps must not fall from one to the next; put them in order",
            ".steps",
        ),
    )


class Promotion(Model):
    """What it takes, beside proof, that everyone follows."""

    approval: Annotated[
        Literal["Required", "Automatic"],
        Field(
            description="`Required` (default): a person says `Approve` in `status.request` of what "
            "is proven. `Automatic`: proof is enough."
        ),
    ] = "Required"


class EvolutionExperimentSpec(Model):
    """What is believed, what is changed, and what decides."""

    world_ref: Annotated[
        ObjectName,
        Field(description="The World whose players take part, and whose tunables are changed."),
    ]
    hypothesis: Annotated[
        Text, Field(description="What is believed and why, in a sentence or two, for people.")
    ]
    expected_effect: Annotated[
        ExpectedEffect | None,
        Field(
            description="What the hypothesis foretells. The log says at the end how far what was "
            "found is from it; it decides nothing. Default: nothing is foretold."
        ),
    ] = None
    changes: Annotated[
        list[Change],
        ListAtomic(),
        Field(
            min_length=1,
            max_length=8,
            description="What is other in the canary, all of it together: tunables, or templates "
            "of one Storyteller. Of the experiments that change the same one runs at a time, and "
            "the others wait.",
        ),
    ]
    objective: Annotated[
        Objective, Field(description="What has to become better for everyone to follow.")
    ]
    guardrails: Annotated[
        list[ExperimentGuardrail],
        ListMap(("metric",)),
        Field(
            max_length=7,
            description="What has to be proven no worse for everyone to follow, and what ends the "
            "experiment at once when it is found worse. The objective is watched for that too. "
            "Default: nothing but the objective.",
        ),
    ] = []
    unit: Annotated[
        Literal["Session", "Player"],
        Field(
            description="Who is drawn into an arm: each `Session` anew (default), or each `Player` "
            "for all sessions, where the change shows only in the long run."
        ),
    ] = "Session"
    exclude: Annotated[
        list[CohortName],
        ListSet(),
        Field(
            max_length=MAX_COHORTS,
            description="Cohorts of the World that are in no arm. Nor is a session of which the "
            "game does not say its cohorts. Default: nobody is left out.",
        ),
    ] = []
    canary: Annotated[
        Canary | None,
        Field(description="How it goes step by step. Default: with the defaults of its fields."),
    ] = None
    promotion: Annotated[
        Promotion | None,
        Field(description="What promotion needs beside proof. Default: a person's `Approve`."),
    ] = None
    when_inconclusive: Annotated[
        Literal["Pause", "RollBack"],
        Field(
            description="When neither harm nor proof is found by `maxPairs` or the deadline: "
            "`Pause` (default) leaves the arms as they are and waits for a person; `RollBack` ends "
            "the experiment."
        ),
    ] = "Pause"

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.changes.all(c, !has(c.tunable) || self.changes.filter(d, has(d.tunable) && "
            "d.tunable.name == c.tunable.name).size() == 1)",
            "changes must name each tunable once",
            ".changes",
        ),
        Rule(
            "self.changes.all(c, !has(c.prompt) || self.changes.filter(d, has(d.prompt) && "
            "d.prompt.name == c.prompt.name).size() == 1)",
            "changes must name each template once",
            ".changes",
        ),
        Rule(
            "self.changes.all(c, !has(c.prompt)) || self.changes.all(c, has(c.prompt) && "
            "self.changes.all(d, has(d.prompt) && d.prompt.storyteller == c.prompt.storyteller))",
            "changes must be tunables, or templates of one Storyteller; make an experiment of each",
            ".changes",
        ),
        Rule(
            "!has(self.guardrails) || "
            "!self.guardrails.exists(g, g.metric == self.objective.metric)",
            "the objective has to become better, which is more than a guardrail asks; remove it "
            "from guardrails",
            ".guardrails",
        ),
        Rule(
            "!has(self.expectedEffect) || self.expectedEffect.metric == self.objective.metric || "
            "(has(self.guardrails) && "
            "self.guardrails.exists(g, g.metric == self.expectedEffect.metric))",
            "expectedEffect must name the metric of the objective or of a guardrail",
            ".expectedEffect",
        ),
    )

    @property
    def how(self) -> Canary:
        """The steps, with defaults."""
        return self.canary or Canary()

    @property
    def storyteller(self) -> str | None:
        """The Storyteller whose templates are changed; None: they are not."""
        return next((each.prompt.storyteller for each in self.changes if each.prompt), None)

    @property
    def needs_approval(self) -> bool:
        """Whether a person has the last word about what is proven."""
        return (self.promotion or Promotion()).approval == "Required"


class ExperimentRequest(Model):
    """What a person asks of the operator. The only status field that others may write."""

    action: Annotated[
        Literal["Reconcile", "Approve", "SkipStep", "Pause", "Resume", "Abort", "Retry"],
        Field(
            description="`Reconcile`: look at everything again now. `Approve`: everyone gets what "
            "is proven. `SkipStep`: go on to the next step. `Pause`: stay at this share; `Resume`: "
            "go on. `Abort`: end it now, and nobody is in its arms any more. `Retry`: begin again "
            "what has ended without promotion."
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


class ChangeStatus(Model):
    """One change, as it was when the experiment began."""

    target: Annotated[
        str,
        Field(
            max_length=80,
            description="What is changed, as in tunable/quest-gold or prompt/bard/user.j2.",
        ),
    ]
    before: Annotated[
        ValueText, Field(description="The value that held; of a template the digest of its text.")
    ]
    value: Annotated[ValueText, Field(description="What the canary gets, likewise.")]
    spec_digest: Annotated[
        str,
        Field(
            max_length=16,
            description="Of what the spec of the World or the Storyteller says; an edit is "
            "Git's word.",
        ),
    ]


class ExperimentVerdict(Model):
    """What the sessions of the experiment amount to."""

    kind: Annotated[
        VerdictKind,
        Field(
            description="`Undecided`: more sessions are needed. `Proven`: the objective is better, "
            "and no guardrail is worse than its margin. `Harm`: a metric is worse. `BrokenSplit`: "
            "the arms did not get what they should, so the data is wrong. `Inconclusive`: "
            "`maxPairs` or the deadline came first."
        ),
    ]
    pairs: Annotated[int, Field(ge=0, description="Pairs that count.")]
    message: Annotated[str, Field(max_length=512, description="The same in words.")]
    digest: Annotated[
        str,
        Field(
            max_length=64,
            description="SHA-256 of the checkpoint in ConfigMap `<experiment>-experiment` that it "
            "follows from.",
        ),
    ]


class Logged(Model):
    """A line of the experiment's log."""

    at: Annotated[Timestamp, Field(description="When.")]
    message: Annotated[str, Field(max_length=512, description="What happened, and why.")]


Phase = Literal[
    "Waiting",
    "Running",
    "Paused",
    "AwaitingApproval",
    "Promoting",
    "Promoted",
    "RolledBack",
    "Inconclusive",
    "Invalid",
]
#: While these last units are in its arms, and nobody may change the spec.
RUNNING: tuple[Phase, ...] = ("Running", "Paused", "AwaitingApproval")


class EvolutionExperimentStatus(Status):
    """What the operator sees of an experiment."""

    request: Annotated[
        ExperimentRequest | None,
        Field(description="Ask the operator for something: `kubectl patch --subresource=status`."),
    ] = None  # type: ignore[assignment]  # other actions than other kinds have
    phase: Annotated[
        Phase | None,
        Field(
            description="`Waiting`: for another experiment or for what it needs. `Running`: some "
            "have the change. `Paused`: the same, until a person goes on. `AwaitingApproval`: it "
            "is proven, and a person decides. `Promoting`: the World takes it over. `Promoted`: "
            "everyone has it. `RolledBack`, `Inconclusive`: it ended, and nobody has it. "
            "`Invalid`: it may not run; the Ready condition says what to change."
        ),
    ] = None
    number: Annotated[
        int, Field(ge=0, description="Counts its runs; part of the salt. 0: none yet.")
    ] = 0
    step: Annotated[int, Field(ge=0, le=10, description="Number of the step, from 1.")] = 0
    steps: Annotated[int, Field(ge=0, le=10, description="How many steps there are.")] = 0
    traffic_percent: Annotated[
        int, Field(ge=0, le=100, description="Share of new units that have the change.")
    ] = 0
    message: Annotated[
        str | None,
        Field(max_length=512, description="What it waits for, until when, and what one may do."),
    ] = None
    next: Annotated[
        str | None, Field(max_length=64, description="What comes next, for `kubectl get`.")
    ] = None
    effect: Annotated[
        str | None,
        Field(
            max_length=32,
            description="Canary less baseline of the objective: in percentage points (pp) of "
            "units, or in the metric's own unit.",
        ),
    ] = None
    interval: Annotated[
        str | None,
        Field(
            max_length=64,
            description="The effect lies between these, each bound at 95 % and at every look.",
        ),
    ] = None
    guardrails_proven: Annotated[
        str | None, Field(max_length=16, description="Proven guardrails of all, as in 1/2.")
    ] = None
    required_pairs: Annotated[
        int | None,
        Field(
            ge=0,
            description="About how many pairs it takes to prove `minimumEffectPoints` and the "
            "margins. Before any were seen: at most. Absent: it cannot be foretold.",
        ),
    ] = None
    takes: Annotated[
        str | None,
        Field(
            max_length=128,
            description="How long the pairs that are missing take at the rate seen in this step.",
        ),
    ] = None
    verdict: Annotated[
        ExperimentVerdict | None,
        Field(description="What was seen last. Absent: nobody has had the change yet."),
    ] = None
    objective: Annotated[Judged | None, Field(description="The objective as seen last.")] = None
    guardrails: Annotated[
        list[Judged], ListMap(), Field(max_length=7, description="Each guardrail as seen last.")
    ] = []
    changes: Annotated[
        list[ChangeStatus],
        ListMap(("target",)),
        Field(max_length=8, description="What is changed, as it was when it began."),
    ] = []
    log: Annotated[
        list[Logged],
        ListAtomic(),
        Field(max_length=20, description="What happened and why, the last lines."),
    ] = []
    salt: Annotated[
        str | None,
        Field(max_length=16, description="What units are drawn with; another each run."),
    ] = None
    spec_digest: Annotated[
        str | None, Field(max_length=16, description="Of the spec that this run is about.")
    ] = None
    plan: Annotated[
        str | None,
        Field(
            max_length=16,
            description="Digest of what is changed, from what, and how it is judged.",
        ),
    ] = None
    started_at: Annotated[
        Timestamp | None, Field(description="When the first unit could have the change.")
    ] = None
    step_started_at: Annotated[
        Timestamp | None, Field(description="Since when the time of this step counts.")
    ] = None
    step_started_pairs: Annotated[
        int, Field(ge=0, description="Pairs that counted when this step began.")
    ] = 0
    paused_at: Annotated[
        Timestamp | None, Field(description="Since when it is paused. Absent: it is not.")
    ] = None
    until: Annotated[Timestamp | None, Field(description="When the step ends.")] = None


class EvolutionExperiment(Kind):
    """An idea about the game: some players have it first, and everyone has it if it is proven
    better and nothing is worse."""

    names: ClassVar[Names] = Names("EvolutionExperiment", "evolutionexperiments", "ee")
    columns: ClassVar[tuple[Column, ...]] = (
        Column("Phase", ".status.phase", description="Where it stands."),
        Column("Arm%", ".status.trafficPercent", "integer", "Share that has the change."),
        Column("Effect", ".status.effect", description="On the objective."),
        Column("CI", ".status.interval", description="Between which values it lies."),
        Column("Guardrails", ".status.guardrailsProven", description="Proven of all."),
        Column("Next", ".status.next", description="What comes next."),
        WHY_COLUMN,
        AGE_COLUMN,
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        short_name_rule(),
        Rule(
            "!has(oldSelf.status) || !has(oldSelf.status.phase) || "
            f"!(oldSelf.status.phase in {[*RUNNING, 'Promoting']}) || self.spec == oldSelf.spec",
            "an experiment that runs keeps its spec; ask for Abort in status.request first, or "
            "make another experiment",
            ".spec",
        ),
    )

    spec: Annotated[EvolutionExperimentSpec, Field(description="What you want.")]
    status: Annotated[EvolutionExperimentStatus, Field(description="What is.")] = (
        EvolutionExperimentStatus()
    )
