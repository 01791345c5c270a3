"""How an analysis came to where it stands: what each look saw, and what was decided when.

Controllers write it beside the checkpoint, command lines draw it, and nothing is decided by it.
"""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from crds.base import Model, Timestamp

#: Its key in the ConfigMap of the analysis.
HISTORY_KEY = "history.json"
#: What an entry of the log is about: where it stands, what sessions amount to, what a person asked.
Kind = Literal["Phase", "Verdict", "Request"]


def _in_a_zone(time: str) -> str:
    if datetime.fromisoformat(time).tzinfo is None:
        raise ValueError("a time names its zone, as 2026-11-23T12:00:00Z")
    return time


#: A time that can be reckoned with.
Moment = Annotated[Timestamp, AfterValidator(_in_a_zone)]


class Criterion(Model):
    """What one metric is held to."""

    name: str
    better: Literal["Lower", "Higher"]
    #: What a value can be, in the metric's unit.
    low: float
    high: float
    #: How much worse is still called no worse: in the metric's unit, or as a share of the
    #: baseline's mean. Both 0: it has to be better. Both absent: it is watched for harm alone.
    margin: float | None = None
    relative_margin: float | None = None
    #: What sessions in the shadow are held against. Absent: canary and baseline are.
    norm: float | None = None


class Criteria(Model):
    """What an analysis is held to, as agreed before the first session."""

    metrics: list[Criterion]
    #: Sessions of the canary and of the baseline that are held against each other at a time.
    block: tuple[int, int] = (1, 1)
    #: Blocks after which what is not proven is Inconclusive.
    cap: int
    #: The e-value for harm that stops the canary by itself, whatever the other metrics say.
    harm_bar: float
    #: The e-value of which a split is called broken.
    split_bar: float
    #: How sure each bound of a difference is, in percent.
    confidence: float


class Figures(Model):
    """One metric at one look, in its unit; what is unknown is left out."""

    canary: float | None = None
    baseline: float | None = None
    #: Bounds of the mean of canary - baseline that hold at every look.
    lower: float | None = None
    upper: float | None = None
    #: Natural logarithm of the e-value for harm.
    log_e: float


class Look(Model):
    """What was known at one moment."""

    time: Moment
    blocks: Annotated[int, Field(ge=0)]
    #: Sessions assigned to the canary and to the baseline.
    assigned: tuple[int, int]
    #: After which block harm was found; between two looks there may be many. 0: in the shadow.
    harmful_at: Annotated[int, Field(ge=0)] | None = None
    #: Natural logarithm of the e-value against the split.
    split_log_e: float
    #: In the order of the criteria.
    metrics: list[Figures]


class Entry(Model):
    """Something that happened."""

    time: Moment
    kind: Kind
    #: What tells it from the last of its kind: the phase and step, the verdict, the request's id.
    mark: Annotated[str, Field(max_length=96)]
    words: Annotated[str, Field(max_length=320)]
    #: Share of new sessions that the canary gets from then on. Of a ``Phase`` only.
    percent: Annotated[int, Field(ge=0, le=100)] | None = None


class History(Model):
    """The looks, thinned as they become many, and the log of decisions."""

    schema_version: Literal[1] = 1
    #: Absent: nothing is judged.
    criteria: Criteria | None = None
    looks: list[Look] = []
    #: Looks but the last are at least so many seconds apart.
    spacing: Annotated[int, Field(ge=0)] = 0
    log: list[Entry] = []

    @model_validator(mode="after")
    def _whole(self) -> Self:
        metrics = len(self.criteria.metrics) if self.criteria else 0
        if any(len(look.metrics) != metrics for look in self.looks):
            raise ValueError("each look has the figures of each metric that is judged")
        return self
