"""Who may call a storyteller, from where, how often, and for how much money."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from crds.base import Decimal, ListSet, Model, Rule

Origin = Annotated[
    str,
    StringConstraints(
        pattern=r"^https?://[a-zA-Z0-9]([-.a-zA-Z0-9]*[a-zA-Z0-9])?(:[0-9]{1,5})?$", max_length=300
    ),
]


class Cors(Model):
    """Which web pages may call it from a browser."""

    origins: Annotated[
        list[Origin],
        ListSet(),
        Field(
            min_length=1,
            max_length=32,
            description="Origins, each as scheme, host and port: https://play.example.com. There "
            "is no wildcard: name each.",
        ),
    ]


class Limits(Model):
    """How often it may be called, and for how much. With a World whose stores are outside, they
    hold for all gateways together; the embedded store belongs to one gateway, and one runs."""

    per_player_per_minute: Annotated[
        int | None,
        Field(
            ge=1,
            le=100_000,
            description="Decisions a minute for each player, so many of them at once. A session "
            "without a player counts by itself. Beyond it a call is answered 429 with the time to "
            "wait. Default: no limit.",
        ),
    ] = None
    per_key_per_minute: Annotated[
        int | None,
        Field(
            ge=1,
            le=1_000_000,
            description="Calls a minute for each API key, so many of them at once; a key may have "
            "a lower limit of its own. Without API keys, all callers together. Default: no limit.",
        ),
    ] = None
    daily_usd: Annotated[
        Decimal | None,
        Field(
            alias="dailyUSD",
            description="US dollars that its decisions may cost in a day, in UTC. The highest "
            "price is reserved before members are asked. When it is used up, members that cost "
            "money are left out, and without others the fallback is told. Default: no cap.",
        ),
    ] = None

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.perPlayerPerMinute) || has(self.perKeyPerMinute) || has(self.dailyUSD)",
            "set at least one of perPlayerPerMinute, perKeyPerMinute, dailyUSD, or remove limits",
        ),
    )


class Budget(Model):
    """How much money a World may cost. What counts is the decisions of its storytellers, whose
    gateways ask each other only through a shared store: with embedded stores each storyteller has
    the whole budget for itself."""

    daily_usd: Annotated[
        Decimal | None,
        Field(alias="dailyUSD", description="US dollars a day, in UTC. Default: no cap."),
    ] = None
    monthly_usd: Annotated[
        Decimal | None,
        Field(
            alias="monthlyUSD", description="US dollars a calendar month, in UTC. Default: no cap."
        ),
    ] = None

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.dailyUSD) || has(self.monthlyUSD)",
            "set at least one of dailyUSD, monthlyUSD, or remove budget",
        ),
    )


class Spend(Model):
    """How much of a cap is used up."""

    name: Annotated[
        str, Field(max_length=64, description="The field that sets it, as in limits.dailyUSD.")
    ]
    limit_usd: Annotated[Decimal, Field(alias="limitUSD", description="The cap, in US dollars.")]
    used_percent: Annotated[
        int,
        Field(
            ge=0,
            le=100,
            description="What is spent or reserved, in steps of 5 rounded down: 100 is all of it.",
        ),
    ]
