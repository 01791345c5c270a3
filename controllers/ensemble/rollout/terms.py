"""What a rollout is judged by, agreed before the first session: `spec.rollout` and the metrics of
the World as plans of analysis. Who changes it in the middle begins again (`Terms.digest`)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from controllers.delivery.plan import DEFAULT_MARGIN, AnalysisPlan, Margin, Metric, PlanError
from controllers.delivery.windows import Queries, whole
from controllers.ensemble.revision import digest
from crds.metrics import GameMetric
from crds.observations import BUILT_IN, JUDGE_PREFERENCE, MEMBER_ERRORS, MEMBER_SLOW
from crds.rollout import Analysis, Guardrail, Rollout
from crds.world import World

#: Promotions at the whole margin before somebody has to look at how it is.
PROMOTIONS = 5
#: Looks in the time that a session is watched, and the seconds between two at the least and at the
#: most. A verdict is late by a look at most, and each costs two writes.
LOOKS, SOON, SELDOM = 20, 2.0, 30.0

#: What a judge who cannot tell two answers apart comes to.
EVEN = 0.5

#: Share of harmless canaries that may be rolled back, over both sources together.
HARM_ALPHA = 0.01
#: The deadline ends what is asked of Prometheus, and no number of windows does.
NO_CAP = 1_000_000


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
    #: What Prometheus is asked beside.
    queries: Queries | None = None
    #: After so many seconds from its beginning the last value of a session is final, where that is
    #: not the end of its window.
    matures_seconds: int | None = None

    @property
    def whole(self) -> AnalysisPlan | None:
        """The plan with what Prometheus is asked beside."""
        return whole(self.plan, self.queries) if self.plan else None


def agreed(policy: Rollout | None, world: World | None, allowed: Collection[str] = ()) -> Terms:
    """The terms as the spec has them now.

    Args:
        policy: `spec.rollout`.
        world: whose metrics are meant.
        allowed: addresses of Prometheus that the operator may call.
    """
    if policy is None or not policy.guardrails:
        return Terms()
    how = policy.analysis or Analysis()
    declared = {metric.name: metric for metric in world.spec.metrics} if world else {}
    guards = policy.guardrails
    asked = [
        each for each in guards if each.metric in declared and declared[each.metric].prometheus
    ]
    seen = [each for each in guards if each not in asked]
    try:
        if not seen:
            raise PlanError(
                f"Prometheus alone is asked ({', '.join(each.metric for each in asked)}), and it "
                "cannot tell whether sessions are divided as they should be; name a metric beside "
                f"that gateways count, such as {MEMBER_ERRORS}"
            )
        plan = AnalysisPlan(
            tuple(_metric(each, declared) for each in seen),
            harm_alpha=HARM_ALPHA * len(seen) / len(guards),
            cap=how.max_pairs,
        )
        queries = _queries(asked, policy, declared, world, allowed)
        matures = max((_matures(each, declared, how) for each in seen), default=0)
    except PlanError as error:
        return Terms(fault=f"spec.rollout.guardrails: {error}")
    said: list[object] = [plan.digest, how.window_seconds, how.slow_above_milliseconds]
    if policy.shadow and any(each.metric == JUDGE_PREFERENCE for each in guards):
        said.append(policy.shadow.judge)
    if queries:
        texts = [*queries.texts.items()]
        said += [queries.plan.digest, queries.address, texts, queries.seconds, queries.lag]
    if matures:
        said.append(matures)
    return Terms(
        plan,
        digest(said),
        every=min(SELDOM, max(SOON, how.window_seconds / LOOKS)),
        queries=queries,
        matures_seconds=matures or None,
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
    if name == JUDGE_PREFERENCE:
        return Metric(name, Margin(margin), "Bounded", "Higher", norm=EVEN)
    if name in BUILT_IN:
        return Metric(name, Margin(margin), "Bounded" if name == MEMBER_SLOW else "Binary")
    if name not in declared:
        raise PlanError(
            f"nobody counts {name}; declare it in spec.metrics of the World that spec.worldRef "
            f"names, or use one of {', '.join(BUILT_IN)}"
        )
    return game_metric(declared[name], margin)


def game_metric(metric: GameMetric, margin: float) -> Metric:
    """What the game posts, as it is judged; ``margin`` is a share of its range."""
    name = metric.name
    if metric.scope == "Market":
        raise PlanError(
            f"{name} has scope Market in the World: both arms share what it measures, so sessions "
            "of one say nothing of it; take a metric of scope Unit that moves sooner, and watch "
            "this one after promotion"
        )
    better: Literal["Lower", "Higher"] = (
        "Lower" if metric.direction == "LowerIsBetter" else "Higher"
    )
    if metric.low is None or metric.high is None:
        return Metric(name, Margin(margin), better=better)
    low, high = float(metric.low), float(metric.high)
    return Metric(name, Margin(margin * (high - low)), "Bounded", better, low, high)


def _matures(guardrail: Guardrail, declared: Mapping[str, GameMetric], how: Analysis) -> int:
    """Seconds until the value of a session is final; 0 where its window ends no sooner."""
    metric = declared.get(guardrail.metric)
    minutes = (metric and metric.matures_after_minutes) or 0
    if minutes > how.deadline_minutes:
        raise PlanError(
            f"{guardrail.metric} matures after {minutes} minutes, and analysis.deadlineMinutes of "
            f"{how.deadline_minutes} may end the wait before any session counts; raise that"
        )
    return minutes * 60 if minutes * 60 > how.window_seconds else 0


def _queries(
    asked: Sequence[Guardrail],
    policy: Rollout,
    declared: Mapping[str, GameMetric],
    world: World | None,
    allowed: Collection[str],
) -> Queries | None:
    if not asked:
        return None
    where = world.spec.prometheus if world else None
    if where is None or where.address not in allowed:
        raise PlanError(
            f"spec.prometheus.address of the World ({where.address if where else 'not set'}) is "
            "none that this operator may call; have it added to prometheus.allowed of the "
            f"operator's chart, or use one of those: {', '.join(sorted(allowed)) or 'none yet'}"
        )
    metrics = tuple(_metric(each, declared) for each in asked)
    plan = AnalysisPlan(
        metrics, harm_alpha=HARM_ALPHA * len(asked) / len(policy.guardrails), cap=NO_CAP
    )
    found = {name: metric.prometheus for name, metric in declared.items()}
    texts = {each.metric: query.query for each in asked if (query := found[each.metric])}
    seconds = max(where.window_seconds, (policy.analysis or Analysis()).window_seconds)
    return Queries(plan, where.address, texts, seconds, where.lag_seconds)
