"""Prometheus, the second source of what a rollout is judged by: where it answers, and what it is
asked of each arm."""

from typing import Annotated, ClassVar

from pydantic import Field

from crds.base import BaseURL, Model, Rule

#: What stands in a query for what is asked about.
PLACEHOLDERS = ("$arm", "$rollout", "$window")


class Prometheus(Model):
    """A Prometheus, or whatever speaks its HTTP API. It is asked about one window of time after
    the other, each once, when it is over."""

    address: Annotated[
        BaseURL,
        Field(
            description="Where it answers, without `/api/v1`. The operator calls it, so it must be "
            "one of those in `prometheus.allowed` of the operator's chart."
        ),
    ]
    window_seconds: Annotated[
        int,
        Field(
            ge=15,
            le=3600,
            description="How much time one value is of, in seconds, at the least: four scrapes or "
            "more. It is as long as the rollout's `analysis.windowSeconds` where that is longer, "
            "since a session that goes on from window to window would count again in each. Default "
            "60.",
        ),
    ] = 60
    lag_seconds: Annotated[
        int,
        Field(
            ge=1,
            le=600,
            description="How long after its end a window is asked about, in seconds: at least two "
            "scrapes. What is scraped later counts for nothing. Default 30.",
        ),
    ] = 30


class PrometheusQuery(Model):
    """What Prometheus knows of an arm."""

    query: Annotated[
        str,
        Field(
            min_length=1,
            max_length=2048,
            description="PromQL, whose value is one number: of the arm `$arm` (`Canary` or "
            "`Baseline`) of the rollout `$rollout`, in the last `$window` (such as `60s`).",
        ),
    ]

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            " && ".join(f"self.query.contains('{name}')" for name in PLACEHOLDERS),
            f"query must have {', '.join(PLACEHOLDERS)} in it, as in "
            'sum(increase(x_total{rollout="$rollout",arm="$arm"}[$window])): else arms, rollouts '
            "or windows are mixed",
            ".query",
        ),
    )
