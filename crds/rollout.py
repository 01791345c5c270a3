"""How a changed member of an ensemble reaches players: what a person says, may ask, and is told."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from crds.base import (
    Decimal,
    ListAtomic,
    ListMap,
    ListSet,
    MemberName,
    MetricName,
    Model,
    Rule,
    Timestamp,
    exactly_one,
)
from crds.observations import JUDGE_PREFERENCE, MEMBER_SLOW

#: How a tester is called in the header that begins a session.
Tester = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?$", max_length=63),
]
#: A player as the game calls them.
Player = Annotated[str, StringConstraints(min_length=1, max_length=80)]


class RolloutStep(Model):
    """A share of sessions for the new revision, and what ends the step: exactly one."""

    traffic_percent: Annotated[
        int,
        Field(
            ge=0,
            le=50,
            description="Share of the sessions that begin from now on which the new revision gets. "
            "As many more, on the old one, are the baseline that it is held against, so 50 is the "
            "most. 0: testers alone have it, or it answers in the shadow. After the last step "
            "everyone gets it.",
        ),
    ]
    pause_minutes: Annotated[
        int | None,
        Field(
            ge=1,
            le=10_080,
            description="How long the step lasts, in minutes. Time in which the new revision is "
            "not ready does not count.",
        ),
    ] = None
    wait_for: Annotated[
        Literal["Person"] | None,
        Field(
            description="`Person`: the step lasts until somebody says `Resume`, `SkipStep` or "
            "`Promote` in `status.request`."
        ),
    ] = None

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("pauseMinutes", "waitFor"),)


class Guardrail(Model):
    """What must not get worse by more than a margin, session by session, for everyone to follow."""

    metric: Annotated[
        MetricName,
        Field(
            description="`member-errors`: sessions in which a call of the member failed. "
            "`member-slow`: share of its calls that took longer than "
            "`analysis.slowAboveMilliseconds`. `fallbacks`: sessions that were told a fallback "
            "line. `deadline-misses`: sessions in which a decision waited for a member until that "
            "one's time was over. `judge-preference`: how often `shadow.judge` prefers the new "
            "answer, 0 to 1, held against one half. Or one that the World declares in "
            "`spec.metrics`."
        ),
    ]
    margin_points: Annotated[
        Decimal | None,
        Field(
            description="How much worse than the baseline is still called no worse, in points: "
            "hundredths of sessions, of calls, or of the range from `low` to `high`. Above 0, "
            'below 100, as a string. Default "1", which suits what goes wrong in one session of a '
            'hundred; where ten do take "5".'
        ),
    ] = None
    budget_points: Annotated[
        Decimal | None,
        Field(
            description="How much worse a row of promotions may have made it, in the same points. "
            "Each spends how much worse it may be at most; a rollout whose margin no longer fits "
            "does not begin before somebody says `Anchor`. As a string, at least `marginPoints`. "
            "Default: five times `marginPoints`."
        ),
    ] = None

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.marginPoints) || (double(self.marginPoints) > 0.0 && "
            "double(self.marginPoints) < 100.0)",
            'marginPoints must be above "0" and below "100"; the smaller, the more sessions it '
            "takes",
            ".marginPoints",
        ),
        Rule(
            "!has(self.budgetPoints) || double(self.budgetPoints) >= "
            "(has(self.marginPoints) ? double(self.marginPoints) : 1.0)",
            'budgetPoints must not be below marginPoints, which is "1" if it is not set; else no '
            "rollout would ever begin",
            ".budgetPoints",
        ),
    )


class Analysis(Model):
    """How sessions of the new revision are held against its baseline."""

    window_seconds: Annotated[
        int,
        Field(
            ge=1,
            le=86_400,
            description="How long a session is watched from its beginning, in seconds. What comes "
            "later does not count, and no session counts before. Default 600.",
        ),
    ] = 600
    slow_above_milliseconds: Annotated[
        int | None,
        Field(
            ge=1,
            le=600_000,
            description="A call of the member that takes longer is slow. `member-slow` needs it.",
        ),
    ] = None
    max_pairs: Annotated[
        int,
        Field(
            ge=10,
            le=100_000,
            description="Pairs of sessions, one of the new revision and one of the baseline, after "
            "which what is not proven is Inconclusive. Default 5000.",
        ),
    ] = 5000
    deadline_minutes: Annotated[
        int,
        Field(
            ge=1,
            le=40_320,
            description="How long to wait for proof once the time of the last step is over, in "
            "minutes; then it is Inconclusive, data or none. Default 1440.",
        ),
    ] = 1440


class Testers(Model):
    """Who has the new revision from the first step on, whatever is drawn. Their sessions are in no
    arm that is judged."""

    names: Annotated[
        list[Tester],
        ListSet(),
        Field(
            max_length=32,
            description="What the header `Fabula-Tester` says with which a session of theirs is "
            "begun. Where API keys are used the key needs the scope `test`; elsewhere whoever "
            "reaches the gateway can send it.",
        ),
    ] = []
    players: Annotated[
        list[Player],
        ListSet(),
        Field(max_length=64, description="Players, as the game names them in their sessions."),
    ] = []

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(has(self.names) && self.names.size() > 0) || "
            "(has(self.players) && self.players.size() > 0)",
            "name testers in names, players, or both; or remove testers",
        ),
    )


class Shadow(Model):
    """Questions that the new revision is asked too, after the old one has answered. What it says is
    recorded, and told to nobody."""

    percent: Annotated[
        int,
        Field(
            ge=1,
            le=100,
            description="Share of the sessions in neither arm whose every question is asked again, "
            "drawn when they begin. They are asked beside the canary's, of the same replicas. What "
            "the gateway has no time for is left out. Money for it counts under the caps of World "
            "and Storyteller, never under a player's or a key's.",
        ),
    ]
    judge: Annotated[
        MemberName | None,
        Field(
            description="The member who compares both answers, without knowing which is which; one "
            "of weight 0 only judges. Needed by the guardrail `judge-preference`. Default: nobody "
            "does."
        ),
    ] = None


class Rollout(Model):
    """How a changed member reaches players: some sessions first, then everyone, and for a while
    the way back at once. One member at a time."""

    steps: Annotated[
        list[RolloutStep],
        ListAtomic(),
        Field(
            min_length=1,
            max_length=10,
            description="In this order, with shares that do not fall. Editing them in the middle "
            "of a rollout counts at once.",
        ),
    ]
    rollback_window_minutes: Annotated[
        int,
        Field(
            ge=0,
            le=10_080,
            description="How long the old revision keeps running after everyone has the new one, "
            "in minutes, so that `Undo` needs no fetching and little or no waiting: see `surge`. "
            "The next member's rollout waits for it. Default 60.",
        ),
    ] = 60
    surge: Annotated[
        int,
        Field(
            ge=0,
            le=1,
            description="Pods that a member may have beyond its replicas while it is rolled out, "
            "those of both revisions together. `1` (default): one more; of both revisions as many "
            "as it has replicas are ready all the time, and one of the old is kept for the "
            "rollback window. `0`: none; the new revision takes its place from the old, one less "
            "is ready, and `Undo` has to start the old one again. 0 needs two replicas or more.",
        ),
    ] = 1
    progress_deadline_minutes: Annotated[
        int,
        Field(
            ge=1,
            le=1440,
            description="How long a new revision may take to be ready and to answer its first "
            "question, in minutes, and to be ready again where it was lost in a step; then it is "
            "sent back. Time in which it is paused does not count. Default 60.",
        ),
    ] = 60

    testers: Annotated[
        Testers | None,
        Field(
            description="Who has the new revision whatever is drawn. Editing it counts at once, "
            "for sessions that begin then. Default: nobody."
        ),
    ] = None
    shadow: Annotated[
        Shadow | None,
        Field(
            description="How often the new revision is asked what the old one has answered. "
            "Default: never."
        ),
    ] = None

    guardrails: Annotated[
        list[Guardrail],
        ListMap(("metric",)),
        Field(
            max_length=8,
            description="What has to be proven before everyone follows, and what sends the new "
            "revision back at once when it is found worse, whichever step it is. Default: none, "
            "and steps go by time and people alone. Editing them, or the metric in the World, in "
            "the middle of a rollout begins it again.",
        ),
    ] = []
    analysis: Annotated[
        Analysis | None,
        Field(
            description="How guardrails are judged. Editing it in the middle of a rollout begins "
            "it again, but for `deadlineMinutes`. Default: with the defaults of its fields."
        ),
    ] = None
    when_inconclusive: Annotated[
        Literal["Pause", "RollBack"],
        Field(
            description="When neither harm nor proof is found by `maxPairs` or the deadline: "
            "`Pause` (default) waits for a person; `RollBack` sends the new revision back."
        ),
    ] = "Pause"
    when_drifting: Annotated[
        Literal["RollBack", "Alert"],
        Field(
            description="When a guardrail gets worse within the rollback window than promotion "
            "promised: `RollBack` (default) returns everyone to the old revision, at once where "
            "enough of it is warm; `Alert` says so in conditions and an Event. What is promoted "
            "without proof promises nothing, and is not watched."
        ),
    ] = "RollBack"

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.guardrails) || "
            f"!self.guardrails.exists(g, g.metric == '{MEMBER_SLOW}') || "
            "(has(self.analysis) && has(self.analysis.slowAboveMilliseconds))",
            f"{MEMBER_SLOW} needs analysis.slowAboveMilliseconds; say what is slow",
            ".analysis",
        ),
        Rule(
            "!has(self.guardrails) || "
            f"!self.guardrails.exists(g, g.metric == '{JUDGE_PREFERENCE}') || "
            "(has(self.shadow) && has(self.shadow.judge))",
            f"{JUDGE_PREFERENCE} needs shadow.judge; name the member who compares the answers",
            ".shadow",
        ),
        Rule(
            "has(self.testers) || has(self.shadow) || !has(self.steps) || "
            "self.steps.all(s, s.trafficPercent > 0)",
            "a step of trafficPercent 0 needs testers or shadow, or nothing happens in it",
            ".steps",
        ),
        Rule(
            "!has(self.steps) || self.steps.map(s, s.trafficPercent).isSorted()",
            "trafficPercent must not fall from one step to the next; put the steps in order",
            ".steps",
        ),
    )


class RolloutRequest(Model):
    """What a person asks of the operator. The only status field that others may write."""

    action: Annotated[
        Literal[
            "Reconcile",
            "Promote",
            "SkipStep",
            "Pause",
            "Resume",
            "Abort",
            "Retry",
            "Undo",
            "Anchor",
            "ReturnTo",
        ],
        Field(
            description="`Reconcile`: look at everything again now. The others are about the "
            "rollout. `Promote`: everyone gets the new revision now. `SkipStep`: go on to the next "
            "step. `Pause`: stay at this share; `Resume`: go on. `Abort`: everyone goes back to "
            "the old revision now. `Retry`: roll out again what was sent back. `Undo`: after the "
            "last step and within the rollback window, back to the old revision at once. "
            "`Anchor`: how the members are today is accepted, and what promotions may cost is "
            "counted from here. "
            "`ReturnTo`: back to the stored revision `to`, which is kept until the member changes."
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
    to: Annotated[
        str | None,
        Field(
            max_length=16,
            description="The revision that `ReturnTo` means, of a member or a variant; `fabula "
            "rollout history` shows those that are stored. Others ignore it.",
        ),
    ] = None

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.action != 'ReturnTo' || has(self.to)",
            "ReturnTo needs `to`, a revision that fabula rollout history shows",
            ".to",
        ),
    )


class RevisionChange(Model):
    """What a rollout replaces by what."""

    name: Annotated[
        str, Field(max_length=20, description="`full`, the member itself, or one of its variants.")
    ]
    stable: Annotated[str, Field(max_length=16, description="The revision that it had before.")]
    canary: Annotated[str, Field(max_length=16, description="The revision that it shall have.")]


class Judged(Model):
    """One metric as it was seen last, in its own unit and rounded."""

    name: Annotated[str, Field(max_length=64, description="The metric.")]
    canary: Annotated[str | None, Field(max_length=32, description="Its mean in the canary.")] = (
        None
    )
    baseline: Annotated[
        str | None, Field(max_length=32, description="Its mean in the baseline.")
    ] = None
    lower: Annotated[
        str | None,
        Field(
            max_length=32,
            description="Mean of canary - baseline is not below this, at 95 % and at every look.",
        ),
    ] = None
    upper: Annotated[
        str | None, Field(max_length=32, description="Nor above this, at 95 % of its own.")
    ] = None
    e_value: Annotated[
        str,
        Field(
            max_length=32,
            description="Evidence for harm: what a fair bet against it made of a stake of 1.",
        ),
    ]
    standing: Annotated[
        Literal["Harmful", "Proven", "Open", "Watched"],
        Field(description="`Proven`: no worse than the margin allows. `Open`: not known yet."),
    ]


#: What a look amounts to, of a rollout or an experiment.
VerdictKind = Literal["Undecided", "Proven", "Harm", "BrokenSplit", "Inconclusive"]


class RolloutVerdict(Model):
    """What the sessions of the rollout amount to."""

    kind: Annotated[
        VerdictKind,
        Field(
            description="`Undecided`: more sessions are needed. `Proven`: no guardrail is worse "
            "than its margin. `Harm`: one is worse. `BrokenSplit`: the arms did not get the "
            "sessions that they should, so the data is wrong. `Inconclusive`: `maxPairs` or the "
            "deadline came first."
        ),
    ]
    pairs: Annotated[int, Field(ge=0, description="Pairs of sessions that count.")]
    message: Annotated[str, Field(max_length=512, description="The same in words.")]
    digest: Annotated[
        str,
        Field(
            max_length=64,
            description="SHA-256 of the checkpoint in ConfigMap `<ensemble>-analysis` that it "
            "follows from.",
        ),
    ]
    metrics: Annotated[
        list[Judged], ListMap(), Field(max_length=8, description="Each guardrail.")
    ] = []


class RolloutWatch(Model):
    """What became of the revision that was promoted, held against what promotion promised."""

    traffic_percent: Annotated[
        int, Field(ge=0, le=100, description="Share of new sessions that are watched.")
    ] = 0
    observations: Annotated[
        int, Field(ge=0, description="Sessions that count, rounded down to one digit.")
    ] = 0
    drifted: Annotated[
        list[MetricName],
        ListAtomic(),
        Field(max_length=8, description="Guardrails that got worse than was promised."),
    ] = []
    message: Annotated[str, Field(max_length=512, description="The same in words.")]


class MarginUse(Model):
    """What promotions may have cost on one guardrail since its anchor."""

    metric: Annotated[str, Field(max_length=64, description="The guardrail.")]
    reference: Annotated[
        str, Field(max_length=32, description="Its mean at the anchor, in its own unit.")
    ]
    spent_points: Annotated[
        str,
        Field(
            max_length=32,
            description="By how much promotions may have made it worse since, at most, in points.",
        ),
    ]
    budget_points: Annotated[str, Field(max_length=32, description="And by how much they may.")]


class RolloutStatus(Model):
    """The rollout that is under way, or the last one."""

    number: Annotated[
        int, Field(ge=1, description="Counts the rollouts of this ensemble; part of the salt.")
    ]
    member: Annotated[str, Field(max_length=20, description="Who is rolled out.")]
    revisions: Annotated[
        list[RevisionChange], ListMap(), Field(max_length=5, description="What changes.")
    ]
    phase: Annotated[
        Literal[
            "Starting",
            "Stepping",
            "Paused",
            "Promoting",
            "Promoted",
            "Returning",
            "Complete",
            "Aborted",
            "Undone",
        ],
        Field(
            description="`Starting`: the new revision gets ready, and nobody has it, or as many as "
            "in the step before. `Stepping`: some sessions have it, for a time. `Paused`: some "
            "have it, until a person goes on. `Promoting`: its replicas take the place of the old "
            "one's, and everyone follows when they are enough. `Promoted`: everyone has it, and "
            "the old one may be returned to. `Returning`: it is, and everyone follows when its "
            "replicas are enough. `Complete`: the old one is gone. `Aborted`, `Undone`: everyone "
            "has the old one again."
        ),
    ]
    step: Annotated[
        int, Field(ge=0, le=10, description="Number of the step, from 1. 0: before the first.")
    ] = 0
    steps: Annotated[int, Field(ge=0, le=10, description="How many steps there are.")] = 0
    traffic_percent: Annotated[
        int, Field(ge=0, le=100, description="Share of new sessions that have the new revision.")
    ] = 0
    progress: Annotated[
        str, Field(max_length=64, description="The member and how far it is, for `kubectl get`.")
    ]
    message: Annotated[
        str,
        Field(max_length=512, description="What it waits for, until when, and what one may do."),
    ]
    salt: Annotated[
        str,
        Field(max_length=16, description="What sessions are drawn with; another each rollout."),
    ]
    started_at: Annotated[Timestamp, Field(description="When the rollout began.")]
    step_started_at: Annotated[
        Timestamp | None, Field(description="Since when the time of this step counts.")
    ] = None
    ready_seconds: Annotated[
        int | None,
        Field(
            ge=0,
            description="How long it took from the beginning until the new revision was ready. A "
            "return to one that is not kept warm takes about as long. Absent: it was not yet.",
        ),
    ] = None
    paused_at: Annotated[
        Timestamp | None,
        Field(description="Since when a person has paused it. Absent: nobody has."),
    ] = None
    plan: Annotated[
        str | None,
        Field(
            max_length=16,
            description="Digest of what is judged and how. Absent: nothing is.",
        ),
    ] = None
    verdict: Annotated[
        RolloutVerdict | None,
        Field(description="What was seen last. Absent: there are no guardrails, or no step yet."),
    ] = None
    watch: Annotated[
        RolloutWatch | None,
        Field(description="What was seen since promotion. Absent: there are no guardrails."),
    ] = None
    until: Annotated[
        Timestamp | None,
        Field(
            description="When the step or the rollback window ends, or a new revision that is not "
            "ready is sent back. Absent: with a person."
        ),
    ] = None

    @property
    def proven(self) -> bool:
        """Whether no guardrail is worse than its margin, as far as was seen."""
        return self.plan is not None and self.verdict is not None and self.verdict.kind == "Proven"

    @property
    def watch_salt(self) -> str:
        """What sessions are drawn with after promotion: arms end with the steps."""
        return f"{self.salt}-after"
