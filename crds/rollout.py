"""How a changed member of an ensemble reaches players: what a person says, may ask, and is told."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from crds.base import ListAtomic, ListMap, Model, Rule, Timestamp, exactly_one


class RolloutStep(Model):
    """A share of sessions for the new revision, and what ends the step: exactly one."""

    traffic_percent: Annotated[
        int,
        Field(
            ge=1,
            le=50,
            description="Share of the sessions that begin from now on which the new revision gets. "
            "As many more, on the old one, are the baseline that it is held against, so 50 is the "
            "most. After the last step everyone gets it.",
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
            "in minutes, so that `Undo` takes effect at once. It costs the member's resources a "
            "second time, and the next member's rollout waits for it. Default 60.",
        ),
    ] = 60

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.steps) || self.steps.map(s, s.trafficPercent).isSorted()",
            "trafficPercent must not fall from one step to the next; put the steps in order",
            ".steps",
        ),
    )


class RolloutRequest(Model):
    """What a person asks of the operator. The only status field that others may write."""

    action: Annotated[
        Literal["Reconcile", "Promote", "SkipStep", "Pause", "Resume", "Abort", "Retry", "Undo"],
        Field(
            description="`Reconcile`: look at everything again now. The others are about the "
            "rollout. `Promote`: everyone gets the new revision now. `SkipStep`: go on to the next "
            "step. `Pause`: stay at this share; `Resume`: go on. `Abort`: everyone goes back to "
            "the old revision now. `Retry`: roll out again what was sent back. `Undo`: after the "
            "last step and within the rollback window, back to the old revision at once."
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


class RevisionChange(Model):
    """What a rollout replaces by what."""

    name: Annotated[
        str, Field(max_length=20, description="`full`, the member itself, or one of its variants.")
    ]
    stable: Annotated[str, Field(max_length=16, description="The revision that it had before.")]
    canary: Annotated[str, Field(max_length=16, description="The revision that it shall have.")]


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
        Literal["Starting", "Stepping", "Paused", "Promoted", "Complete", "Aborted", "Undone"],
        Field(
            description="`Starting`: the new revision gets ready, and nobody has it. `Stepping`: "
            "some sessions have it, for a time. `Paused`: some have it, until a person goes on. "
            "`Promoted`: everyone has it, and the old one is still warm. `Complete`: the old one "
            "is gone. `Aborted`, `Undone`: everyone has the old one again."
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
    paused_at: Annotated[
        Timestamp | None,
        Field(description="Since when a person has paused it. Absent: nobody has."),
    ] = None
    until: Annotated[
        Timestamp | None,
        Field(description="When the step or the rollback window ends. Absent: with a person."),
    ] = None
