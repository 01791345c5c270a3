"""What Prometheus knows of the arms: one value each in every window of time.

A window is to such a metric what a pair of sessions is to the others: canary and baseline, which
are of the same size, have a value each, and bets are made on the difference (`bounded`,
`noninferiority`), a look at every window. The bets ask nothing of what happens inside of a window,
so that ten failures of one unlucky session are one value and not ten. They ask that the past does
not say which arm is ahead in the next one; so a window is as long as a session is watched, there
are few of them, and it takes longer than with sessions.

A window counts once, when it is over and what is scraped late is in. Prometheus keeps what it has
scraped, so that one that did not answer is asked about the same windows later, and nothing is lost.
Where neither arm has a value, a window says nothing of that metric; where one has none, that counts
against the canary as with sessions (`evidence`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from controllers.delivery.plan import AnalysisPlan

#: Where they stand in a cursor.
LOG = "prometheus"
#: Windows that are asked about in one look.
MOST = 200

WatchedArm = Literal["Canary", "Baseline"]
ARMS: tuple[WatchedArm, ...] = ("Canary", "Baseline")
#: By metric, in its unit; what is not known is left out.
Values = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Queries:
    """What Prometheus is asked, and how the answers are judged."""

    plan: AnalysisPlan
    address: str
    #: PromQL by metric, in the order of the plan.
    texts: Mapping[str, str]
    #: How long a window is, in seconds, and how long after its end it is asked about.
    seconds: int
    lag: int

    def about(self, metric: str, arm: WatchedArm, rollout: str) -> str:
        """The query about one arm."""
        text = self.texts[metric].replace("$window", f"{self.seconds}s")
        return text.replace("$rollout", rollout).replace("$arm", arm)


@dataclass(frozen=True, slots=True)
class Window:
    """What was said of one of them, with its number: how many of its length went before, since
    1970."""

    number: int
    canary: Values
    baseline: Values


@dataclass(frozen=True, slots=True)
class Told:
    """What Prometheus said in a look."""

    #: Those in which an arm has a value.
    windows: tuple[Window, ...] = ()
    #: Every window up to this one was asked about.
    through: int = -1
    #: Whether there are more to ask about now.
    more: bool = False
    #: Why it said nothing, for a person.
    trouble: str | None = None


def whole(plan: AnalysisPlan, queries: Queries | None) -> AnalysisPlan:
    """What sessions are judged by, and Prometheus is asked beside, for who tells of both."""
    if queries is None:
        return plan
    return replace(
        plan,
        metrics=plan.metrics + queries.plan.metrics,
        harm_alpha=plan.harm_alpha + queries.plan.harm_alpha,
    )


def due(queries: Queries, begun: datetime, counted: int | None, now: datetime) -> range:
    """The windows to ask about now: those that lie wholly after the rollout began, are over, and
    are not counted yet; the oldest first, and `MOST` of them.

    Args:
        queries: how long they are.
        begun: when the rollout began.
        counted: the last that counts already.
        now: the time.
    """
    first = math.ceil(begun.timestamp() / queries.seconds)
    if counted is not None:
        first = max(first, counted + 1)
    over = math.floor((now.timestamp() - queries.lag) / queries.seconds)
    return range(first, min(over, first + MOST))


def heard(
    asked: range, answers: Mapping[tuple[str, WatchedArm], Mapping[int, float]]
) -> tuple[Window, ...]:
    """The windows in which an arm has a value.

    Args:
        asked: their numbers.
        answers: of a metric and an arm, by the number of the window; NaN is no value.
    """
    found = []
    for number in asked:
        values: dict[WatchedArm, dict[str, float]] = {arm: {} for arm in ARMS}
        for (metric, arm), by_number in answers.items():
            if math.isfinite(value := by_number.get(number, math.nan)):
                values[arm][metric] = value
        if any(values.values()):
            found.append(Window(number, values["Canary"], values["Baseline"]))
    return tuple(found)
