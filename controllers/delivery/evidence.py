"""What is known of a canary: outcomes counted, in a state that is small and can be resumed.

`feed` takes records as they stand in the gateways' logs, each once: a record at or before the
cursor of its log changes nothing, so that reading one twice does no harm. Records of a log come in
its order, and a session's outcome at the end of its window, so that short sessions do not come
first.
"""

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from controllers.delivery import bounded, ratio
from controllers.delivery.blocks import join, take
from controllers.delivery.ebh import discoveries
from controllers.delivery.harm import Harm
from controllers.delivery.harm import observe as observe_harm
from controllers.delivery.noninferiority import points
from controllers.delivery.plan import AnalysisPlan, Metric
from controllers.delivery.ratio import Split
from controllers.delivery.tally import Floats, shares

Arm = Literal["Canary", "Baseline", "Promoted"]
#: Place of an arm wherever both stand in a row. What is promoted is held against nobody.
PLACE: dict[Arm, int] = {"Canary": 0, "Baseline": 1}

#: How bad each metric of a session was, in the order of the plan; None where there is no value.
Badness = tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Assigned:
    """A session was given to an arm."""

    log: str  # of which gateway
    sequence: int  # in that log
    arm: Arm


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a session came to, by metric and in its unit; None, or left out, where it is unknown."""

    log: str
    sequence: int
    arm: Arm
    values: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Shadowed:
    """What a session in the shadow came to. It is in neither arm, and in no block: each of its
    values is held against the norm of its metric."""

    log: str
    sequence: int
    values: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Counted:
    """One metric over all blocks; one that has a norm, over all sessions in the shadow."""

    #: Canary - baseline, of blocks in which every session has a value.
    differences: tuple[float, ...]
    #: Canary - factor * baseline, of all blocks: what is missing is bad in the canary and good in
    #: the baseline, so that missing data never proves.
    excess: tuple[float, ...]
    #: Of binary metrics.
    harm: Harm = field(default_factory=Harm)
    #: Sums of the arms' means, over blocks in which every session has a value.
    canary: float = 0.0
    baseline: float = 0.0
    complete: int = 0
    #: Sessions without a value.
    missing: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that was counted, up to the cursor."""

    metrics: tuple[Counted, ...]  # in the order of the plan
    blocks: int = 0
    split: Split = field(default_factory=lambda: Split((0.0, 0.0)))
    waiting: tuple[tuple[Badness, ...], tuple[Badness, ...]] = ((), ())
    #: Metrics found harmful, and after which block. It stays: the canary was to be stopped there.
    harmful: tuple[str, ...] = ()
    harmful_at: int | None = None
    #: The last record taken from each log.
    cursor: Mapping[str, int] = field(default_factory=dict)


def start(plan: AnalysisPlan) -> Evidence:
    """Nothing seen."""
    return Evidence(
        tuple(
            Counted(
                (0.0,) * len(points(metric, plan.block, factor=1.0)),
                (0.0,) * len(points(metric, plan.block)),
            )
            for metric in plan.metrics
        )
    )


def feed(
    evidence: Evidence, plan: AnalysisPlan, records: Iterable[Assigned | Outcome | Shadowed]
) -> Evidence:
    """The evidence with these records; however they are cut into calls, the result is the same."""
    cursor = dict(evidence.cursor)
    waiting = deque(evidence.waiting[0]), deque(evidence.waiting[1])
    for record in records:
        if record.sequence <= cursor.get(record.log, -1):
            continue
        cursor[record.log] = record.sequence
        if isinstance(record, Shadowed):
            evidence = _with_shadow(evidence, plan, record.values)
            continue
        place = PLACE.get(record.arm)
        if place is None:
            continue
        if isinstance(record, Assigned):
            split = ratio.assigned(evidence.split, place, plan.block)
            evidence = replace(evidence, split=split)
            continue
        join(waiting, place, _badness(plan, record.values), plan.block)
        if block := take(waiting, plan.block):
            evidence = _with_block(evidence, plan, *block)
    return replace(evidence, cursor=cursor, waiting=(tuple(waiting[0]), tuple(waiting[1])))


def with_pair(
    evidence: Evidence,
    plan: AnalysisPlan,
    canary: Mapping[str, float | None],
    baseline: Mapping[str, float | None],
) -> Evidence:
    """The evidence with one pair more, whose values are of both arms at the same time: where both
    are missing, that says nothing of either."""
    pairs = zip(_badness(plan, canary), _badness(plan, baseline), strict=True)
    metrics = tuple(
        counted if pair == (None, None) else _count(counted, metric, plan, *([v] for v in pair))
        for metric, counted, pair in zip(plan.metrics, evidence.metrics, pairs, strict=True)
    )
    return _looked(replace(evidence, metrics=metrics, blocks=evidence.blocks + 1), plan)


def _badness(plan: AnalysisPlan, values: Mapping[str, float | None]) -> Badness:
    return tuple(metric.badness(values.get(metric.name)) for metric in plan.metrics)


def _with_block(
    evidence: Evidence, plan: AnalysisPlan, canary: list[Badness], baseline: list[Badness]
) -> Evidence:
    metrics = tuple(
        _count(counted, metric, plan, [row[at] for row in canary], [row[at] for row in baseline])
        if metric.norm is None
        else counted
        for at, (metric, counted) in enumerate(zip(plan.metrics, evidence.metrics, strict=True))
    )
    return _looked(replace(evidence, metrics=metrics, blocks=evidence.blocks + 1), plan)


def _with_shadow(
    evidence: Evidence, plan: AnalysisPlan, values: Mapping[str, float | None]
) -> Evidence:
    """A session whose value is missing was not compared, whatever the new revision is like."""

    def counted(metric: Metric, before: Counted) -> Counted:
        found = metric.badness(values.get(metric.name))
        if metric.norm is None or found is None:
            return before
        return _count(before, metric, plan, [found], [metric.badness(metric.norm)])

    pairs = zip(plan.metrics, evidence.metrics, strict=True)
    return _looked(replace(evidence, metrics=tuple(counted(*pair) for pair in pairs)), plan)


def _looked(evidence: Evidence, plan: AnalysisPlan) -> Evidence:
    """With the metrics that are harmful by now. What was found stays."""
    if evidence.harmful:
        return evidence
    harmful = harmful_now(evidence, plan)
    return replace(evidence, harmful=harmful, harmful_at=evidence.blocks if harmful else None)


def _count(
    counted: Counted,
    metric: Metric,
    plan: AnalysisPlan,
    canary: list[float | None],
    baseline: list[float | None],
) -> Counted:
    own = [value for value in canary if value is not None]
    others = [value for value in baseline if value is not None]
    missing = len(canary) - len(own), len(baseline) - len(others)
    worst = (sum(own) + missing[0]) / len(canary), sum(others) / len(baseline)
    excess = _added(
        counted.excess,
        shares(worst[0] - metric.factor * worst[1], points(metric, plan.block)),
    )
    if any(missing):
        before = counted.missing
        return replace(
            counted, excess=excess, missing=(before[0] + missing[0], before[1] + missing[1])
        )
    differences = _added(
        counted.differences,
        shares(worst[0] - worst[1], points(metric, plan.block, factor=1.0)),
    )
    harm = counted.harm
    if metric.kind == "Binary":
        moved = observe_harm(harm, sum(own), sum(others), plan.block)
        harm = Harm(*map(float, (moved.blocks, moved.canary, moved.baseline, moved.log_e)))
    return replace(
        counted,
        excess=excess,
        differences=differences,
        harm=harm,
        canary=counted.canary + worst[0],
        baseline=counted.baseline + worst[1],
        complete=counted.complete + 1,
    )


def _added(counts: tuple[float, ...], more: Floats) -> tuple[float, ...]:
    return tuple(a + b for a, b in zip(counts, more.tolist(), strict=True))


def log_e(counted: Counted, metric: Metric, plan: AnalysisPlan) -> float:
    """Logarithm of the e-value for harm on one metric."""
    if metric.kind == "Binary":
        return float(counted.harm.log_e)
    return float(bounded.log_e(counted.differences, points(metric, plan.block, factor=1.0)))


def harmful_now(evidence: Evidence, plan: AnalysisPlan) -> tuple[str, ...]:
    """The metrics that the present e-values find harmful."""
    pairs = zip(plan.metrics, evidence.metrics, strict=True)
    logs = [log_e(counted, metric, plan) for metric, counted in pairs]
    if max(logs) < -math.log(plan.harm_alpha):  # no discovery without one above 1/alpha
        return ()
    found = discoveries(logs, plan.harm_alpha)
    return tuple(m.name for m, harmful in zip(plan.metrics, found, strict=True) if harmful)
