"""Metrics of a game: what it knows of a session and tells its gateway, so that a rollout can be
judged by it."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from crds.base import MetricName, Model, Rule
from crds.observations import BUILT_IN
from crds.tunables import Signed


class GameMetric(Model):
    """Something that the game knows of a session and posts to its gateway."""

    name: Annotated[
        MetricName,
        Field(description="Its name, as the game posts it and guardrails name it."),
    ]
    direction: Annotated[
        Literal["LowerIsBetter", "HigherIsBetter"], Field(description="Which values are good.")
    ]
    low: Annotated[
        Signed | None,
        Field(
            description="The least value that a session can have, as a string; one below counts as "
            "this. Default: it is a yes or no, posted as 1 or 0."
        ),
    ] = None
    high: Annotated[
        Signed | None,
        Field(
            description="The largest, as a string. The tighter the range, the fewer sessions it "
            "takes to judge."
        ),
    ] = None

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.low) == has(self.high) && (!has(self.low) || !has(self.high) || "
            "double(self.low) < double(self.high))",
            "set both low and high, low below high; or neither, for a yes or no",
        ),
        Rule(
            f"!(self.name in [{', '.join(repr(name) for name in BUILT_IN)}])",
            f"{', '.join(BUILT_IN)} are counted by the gateways; choose another name",
            ".name",
        ),
    )
