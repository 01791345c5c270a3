"""Metrics of a game: what it knows of a session and tells its gateway, or what Prometheus knows of
an arm, so that a rollout can be judged by it."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from crds.base import MetricName, Model, Rule
from crds.observations import BUILT_IN
from crds.prometheus import PrometheusQuery
from crds.tunables import Signed


class GameMetric(Model):
    """Something that the game knows of a session and posts to its gateway; or that Prometheus is
    asked for."""

    name: Annotated[
        MetricName,
        Field(description="Its name, as the game posts it and guardrails name it."),
    ]
    prometheus: Annotated[
        PrometheusQuery | None,
        Field(
            description="Ask Prometheus for it, window by window and of each arm as a whole. It "
            "takes longer to judge than what is known session by session, and it needs `low` and "
            "`high`. Default: the game posts it of each session."
        ),
    ] = None
    scope: Annotated[
        Literal["Unit", "Market"],
        Field(
            description="`Unit` (default): what happens to one session does not change the value "
            "of another. `Market`: it does, as with prices, so that both arms have the same; "
            "nothing that is drawn by session can be judged by it."
        ),
    ] = "Unit"
    matures_after_minutes: Annotated[
        int | None,
        Field(
            ge=1,
            le=40_320,
            description="How long after a session began its value is final, where that is later "
            "than the end of `analysis.windowSeconds`: so long the game may post it, and so long "
            "no session of a rollout that is judged by it counts. Default: the window's end.",
        ),
    ] = None
    direction: Annotated[
        Literal["LowerIsBetter", "HigherIsBetter"], Field(description="Which values are good.")
    ]
    low: Annotated[
        Signed | None,
        Field(
            description="The least value that a session can have, or an arm in a window, as a "
            "string; one below counts as this. Default: it is a yes or no, posted as 1 or 0."
        ),
    ] = None
    high: Annotated[
        Signed | None,
        Field(
            description="The largest, as a string. The tighter the range, the fewer sessions or "
            "windows it takes to judge."
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
        Rule(
            "!has(self.prometheus) || (has(self.low) && has(self.high))",
            "what Prometheus is asked for needs low and high; say between which values it lies",
        ),
        Rule(
            "!has(self.prometheus) || !has(self.maturesAfterMinutes)",
            "maturesAfterMinutes is about what the game posts; of Prometheus wait with "
            "spec.prometheus.lagSeconds",
            ".maturesAfterMinutes",
        ),
    )
