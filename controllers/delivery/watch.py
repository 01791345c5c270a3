"""Every metric of what was promoted, watched for drift against what promotion promised.

The promise is the mean of the baseline when it was promoted, and the margin on top. The metrics
share one rate of false alarms, so that more of them raise no more.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from controllers.delivery import drift
from controllers.delivery.evidence import Counted, Evidence, Outcome
from controllers.delivery.plan import AnalysisPlan, Metric

#: A promise of never, or of always, cannot be bet on.
LEAST, MOST = 0.001, 0.999


@dataclass(frozen=True, slots=True)
class Watch:
    """What was seen since promotion, up to the cursor."""

    #: The mean badness promised, in the order of the plan; None where nothing was.
    promised: tuple[float | None, ...]
    detectors: tuple[tuple[float, ...], ...]
    sessions: int = 0
    #: Metrics that drifted, and after which session. It stays.
    drifted: tuple[str, ...] = ()
    drifted_at: int | None = None
    cursor: Mapping[str, int] = field(default_factory=dict)


def begin(evidence: Evidence, plan: AnalysisPlan) -> Watch:
    """The watch over a canary promoted on this evidence; it goes on reading at the same cursor."""
    promised = tuple(
        _promise(metric, counted)
        for metric, counted in zip(plan.metrics, evidence.metrics, strict=True)
    )
    fresh = tuple(drift.Drift().logs)
    return Watch(promised, (fresh,) * len(promised), cursor=dict(evidence.cursor))


def _promise(metric: Metric, counted: Counted) -> float | None:
    if metric.margin is None or metric.norm is not None or not counted.complete:
        return None  # what has a norm is seen in the shadow alone, which ends with the steps
    mean = metric.factor * counted.baseline / counted.complete + metric.threshold
    return min(MOST, max(LEAST, mean))


def feed(watch: Watch, plan: AnalysisPlan, records: Iterable[Outcome]) -> Watch:
    """The watch with these sessions of what was promoted; one read twice changes nothing."""
    cursor, detectors = dict(watch.cursor), list(watch.detectors)
    alpha = drift.ALPHA / max(1, sum(promise is not None for promise in watch.promised))
    for record in records:
        if record.sequence <= cursor.get(record.log, -1):
            continue
        cursor[record.log] = record.sequence
        found = []
        for at, (metric, promise) in enumerate(zip(plan.metrics, watch.promised, strict=True)):
            badness = metric.badness(record.values.get(metric.name))
            if promise is None or badness is None:
                continue
            seen = drift.observe(drift.Drift(detectors[at]), badness, promise)
            detectors[at] = tuple(map(float, seen.logs))
            if drift.alarms(seen, alpha):
                found.append(metric.name)
        watch = replace(watch, sessions=watch.sessions + 1)
        if found and not watch.drifted:
            watch = replace(watch, drifted=tuple(found), drifted_at=watch.sessions)
    return replace(watch, cursor=cursor, detectors=tuple(detectors))
