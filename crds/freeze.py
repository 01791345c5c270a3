"""Hours in which nothing new reaches players by itself."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from crds.base import ListSet, MetricName, Model, Rule, exactly_one

Moment = Annotated[
    str,
    StringConstraints(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$", max_length=20
    ),
]
Day = Literal["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


class Once(Model):
    """A stretch of time."""

    starts: Annotated[Moment, Field(description="When it begins, in UTC, as 2026-12-24T18:00:00Z.")]
    ends: Annotated[Moment, Field(description="When it is over, in UTC.")]

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "timestamp(self.starts) < timestamp(self.ends)",
            "ends must be later than starts",
            ".ends",
        ),
    )


class Weekly(Model):
    """The same hours each week."""

    days: Annotated[
        list[Day],
        ListSet(),
        Field(min_length=1, max_length=7, description="The days on which it begins."),
    ]
    start: Annotated[
        str,
        StringConstraints(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$", max_length=5),
        Field(description="When it begins on each, by the clock of `timeZone`, as 18:00."),
    ]
    hours: Annotated[
        int, Field(ge=1, le=168, description="How long it lasts, in hours that really pass.")
    ]
    time_zone: Annotated[
        str,
        StringConstraints(pattern=r"^[A-Za-z][-+A-Za-z0-9_/]*$", max_length=64),
        Field(description="Name in the IANA database, as Europe/Paris. Default UTC."),
    ] = "UTC"


class FreezeWindow(Model):
    """Hours in which no rollout, step or promotion begins by itself: exactly one of the two. What
    sends people back is never frozen."""

    name: Annotated[MetricName, Field(description="What people call it.")]
    once: Annotated[Once | None, Field(description="From one moment to another.")] = None
    weekly: Annotated[Weekly | None, Field(description="Each week.")] = None

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("once", "weekly"),)
