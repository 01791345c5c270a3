"""What a rollout is judged by, agreed before the first session: `spec.rollout` and the metrics of
the World as a plan of analysis. Who changes it in the middle begins again (`Terms.digest`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from controllers.delivery.plan import DEFAULT_MARGIN, AnalysisPlan, Margin, Metric, PlanError
from controllers.ensemble.revision import digest
from crds.metrics import GameMetric
from crds.observations import FALLBACKS, JUDGE_PREFERENCE, MEMBER_ERRORS, MEMBER_SLOW
from crds.rollout import Analysis, Guardrail, Rollout
from crds.world import World

#: Promotions at the whole margin before somebody has to look at how it is.
PROMOTIONS = 5
#: Looks in the time that a session is watched, and the seconds between two at the least and at the
#: most. A verdict is late by a look at most, and each costs two writes.
LOOKS, SOON, SELDOM = 20, 2.0, 30.0

#: What a judge who cannot tell two answers apart comes to.
EVEN = 0.5


@dataclass(frozen=True)
class Terms:
    """What is judged, and how; nothing where there are no guardrails."""

    plan: AnalysisPlan | None = None
    #: Of everything that makes one session's outcome another; None where nothing is judged.
    digest: str | None = None
    #: Why it cannot be judged, and what to do.
    fault: str | None = None
    every: float = SELDOM
    #: By metric, how much worse a row of promotions may make it, as a share of its range.
    budgets: Mapping[str, float] = field(default_factory=dict)


def agreed(policy: Rollout | None, world: World | None) -> Terms:
    """The terms as the spec has them now."""
    if policy is None or not policy.guardrails:
        return Terms()
    how = policy.analysis or Analysis()
    declared = {metric.name: metric for metric in world.spec.metrics} if world else {}
    try:
        metrics = tuple(_metric(guardrail, declared) for guardrail in policy.guardrails)
        plan = AnalysisPlan(metrics, cap=how.max_pairs)
    except PlanError as error:
        return Terms(fault=f"spec.rollout.guardrails: {error}")
    said = [plan.digest, how.window_seconds, how.slow_above_milliseconds]
    if any(metric.name == JUDGE_PREFERENCE for metric in metrics) and policy.shadow:
        said.append(policy.shadow.judge)
    return Terms(
        plan,
        digest(said),
        every=min(SELDOM, max(SOON, how.window_seconds / LOOKS)),
        budgets={each.metric: _budget(each) for each in policy.guardrails},
    )


def _margin(guardrail: Guardrail) -> float:
    points = guardrail.margin_points
    return DEFAULT_MARGIN.absolute if points is None else float(points) / 100


def _budget(guardrail: Guardrail) -> float:
    points = guardrail.budget_points
    return PROMOTIONS * _margin(guardrail) if points is None else float(points) / 100


def _metric(guardrail: Guardrail, declared: Mapping[str, GameMetric]) -> Metric:
    name, margin = guardrail.metric, _margin(guardrail)
    if name in {MEMBER_ERRORS, FALLBACKS}:
        return Metric(name, Margin(margin))
    if name == MEMBER_SLOW:
        return Metric(name, Margin(margin), "Bounded")
    if name == JUDGE_PREFERENCE:
        return Metric(name, Margin(margin), "Bounded", "Higher", norm=EVEN)
    if name not in declared:
        raise PlanError(
            f"nobody counts {name}; declare it in spec.metrics of the World that spec.worldRef "
            f"names, or use {MEMBER_ERRORS}, {MEMBER_SLOW}, {FALLBACKS} or {JUDGE_PREFERENCE}"
        )
    return game_metric(declared[name], margin)


def game_metric(metric: GameMetric, margin: float) -> Metric:
    """What the game posts, as it is judged; ``margin`` is a share of its range."""
    name = metric.name
    better: Literal["Lower", "Higher"] = (
        "Lower" if metric.direction == "LowerIsBetter" else "Higher"
    )
    if metric.low is None or metric.high is None:
        return Metric(name, Margin(margin), better=better)
    low, high = float(metric.low), float(metric.high)
    return Metric(name, Margin(margin * (high - low)), "Bounded", better, low, high)
