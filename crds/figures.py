"""What outcomes say of an ensemble: the figures of one task, rounded."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from crds.base import ListMap, Model

Percent = Annotated[int, Field(ge=0, le=100)]
#: To one decimal.
Tenths = Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,2}\.[0-9]$", max_length=8)]


class Rate(Model):
    """How often something is right, with the interval that holds it in 95 of 100 cases."""

    percent: Annotated[Percent, Field(description="How often, in percent.")]
    low_percent: Annotated[Percent, Field(description="Lower end of the interval.")]
    high_percent: Annotated[Percent, Field(description="Upper end of the interval.")]


class MemberFigures(Model):
    """What is known of one member."""

    name: Annotated[str, Field(max_length=20, description="The member.")]
    accuracy: Annotated[
        Rate | None,
        Field(description="How often it is right when it answers. Absent: unknown."),
    ] = None
    calibration_error_percent: Annotated[
        Percent | None,
        Field(
            description="Mean distance of how sure it was of its words from how often it was "
            "right, over ten bins. Absent: unknown, or its engine tells no probabilities."
        ),
    ] = None


class PairFigures(Model):
    """What is known of two members."""

    one: Annotated[str, Field(max_length=20, description="A member.")]
    other: Annotated[str, Field(max_length=20, description="Another.")]
    error_correlation: Annotated[
        Tenths | None, Field(description="Correlation of their errors (phi), -1 to 1.")
    ] = None
    agreement_percent: Annotated[
        Percent | None, Field(description="How often they say the same when both answer.")
    ] = None


class Figures(Model):
    """What the outcomes that games reported say of the ensemble, on the task with the most of
    them. Below 100 outcomes a figure is unknown, and absent."""

    task: Annotated[str, Field(max_length=64, description="The task that they speak of.")]
    outcomes: Annotated[
        int, Field(ge=0, description="Complete decisions with an outcome; old ones count less.")
    ]
    worth: Annotated[
        Literal["Helps", "DoesNotHelp", "Unknown"],
        Field(
            description="Whether the ensemble is worth asking: `Helps` (better than each member "
            "alone), `DoesNotHelp` (less than a point better than the best one), `Unknown`."
        ),
    ]
    message: Annotated[str, Field(max_length=512, description="The same in a sentence.")]
    effective_voters: Annotated[
        Tenths | None,
        Field(description="How many independent voters the members are worth. Absent: unknown."),
    ] = None
    agreement_percent: Annotated[
        Percent | None,
        Field(description="How often two members say the same, the mean over pairs."),
    ] = None
    error_correlation: Annotated[
        Tenths | None, Field(description="Correlation of two members' errors, the mean over pairs.")
    ] = None
    ensemble: Annotated[
        Rate | None, Field(description="How often the ensemble is right. Absent: unknown.")
    ] = None
    best: Annotated[
        str | None, Field(max_length=20, description="The member that is right most often alone.")
    ] = None
    best_alone: Annotated[
        Rate | None,
        Field(description="How often that member would have been right alone, silence counted."),
    ] = None
    members: Annotated[
        list[MemberFigures], ListMap(), Field(max_length=16, description="Each member.")
    ] = []
    pairs: Annotated[
        list[PairFigures],
        ListMap(("one", "other")),
        Field(max_length=6, description="The pairs that err together most, those first."),
    ] = []
