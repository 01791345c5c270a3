"""One look at the evidence: what it amounts to, and in words for a person.

A broken split beats everything, because it makes the data itself doubtful; harm beats proof. What
to do about a verdict is the planner's.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from controllers.delivery.betting import bounds
from controllers.delivery.ebh import bar
from controllers.delivery.evidence import Counted, Evidence, log_e
from controllers.delivery.noninferiority import log_proof, more_blocks, points
from controllers.delivery.plan import AnalysisPlan, Margin, Metric


class Kind(StrEnum):
    """What evidence can amount to."""

    BROKEN_SPLIT = "BrokenSplit"  # arms do not get what they should: stop, the data is broken
    HARM = "Harm"  # the canary is worse: abort
    PROVEN = "Proven"  # every margin holds: may be promoted
    UNDECIDED = "Undecided"  # go on
    INCONCLUSIVE = "Inconclusive"  # the cap or the deadline came first: a person, or back


@dataclass(frozen=True, slots=True)
class Reading:
    """One metric, in its own unit."""

    name: str
    #: Means of the arms, over complete blocks; None before the first.
    canary: float | None
    baseline: float | None
    #: Between which values the mean of canary - baseline lies (`betting.bounds`), each bound at
    #: proof_alpha; None before the first complete block.
    lower: float | None
    upper: float | None
    #: Natural logarithm of the e-value for harm.
    log_e: float
    harmful: bool
    #: None where nothing has to be proven.
    proven: bool | None
    #: Blocks until it is proven, if it goes on like this; None where that never comes, or is
    #: unknown.
    more: int | None
    #: Sessions without a value, in the canary and in the baseline.
    missing: tuple[int, int]
    #: Whether it is of sessions in the shadow, which are held against its norm.
    shadow: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look says."""

    kind: Kind
    message: str
    blocks: int
    metrics: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class Unit:
    """What of the arms is held against each other, in words: this, of which each arm has parts."""

    name: str
    part: str = "session"
    #: What the first one takes.
    awaits: str = "of sessions to mature"


#: Of two verdicts the one that stands here first is the verdict.
GRAVEST_FIRST = (Kind.BROKEN_SPLIT, Kind.HARM, Kind.INCONCLUSIVE, Kind.UNDECIDED, Kind.PROVEN)
#: What Prometheus is asked about.
WINDOWS = Unit("window", "arm", "of which Prometheus has numbers")


def look(
    evidence: Evidence,
    plan: AnalysisPlan,
    *,
    deadline_passed: bool = False,
    unit: Unit | None = None,
) -> Verdict:
    """The verdict now. After the deadline what is not decided is Inconclusive, data or none.

    Harm stays; Proven is said of the present look, and can be lost while steps still go on.
    """
    readings = tuple(
        _read(metric, counted, evidence, plan)
        for metric, counted in zip(plan.metrics, evidence.metrics, strict=True)
    )
    asked = [reading for reading in readings if reading.proven is not None]
    if evidence.split.log_e >= math.log(1 / plan.split_alpha):
        kind = Kind.BROKEN_SPLIT
    elif evidence.harmful:
        kind = Kind.HARM
    elif asked and all(reading.proven for reading in asked):
        kind = Kind.PROVEN
    elif evidence.blocks >= plan.cap or deadline_passed:
        kind = Kind.INCONCLUSIVE
    else:
        kind = Kind.UNDECIDED
    unit = unit or Unit("pair" if plan.block == (1, 1) else "block")
    message = _message(kind, evidence, plan, readings, deadline_passed, unit)
    return Verdict(kind, message, evidence.blocks, readings)


def both(sessions: Verdict, windows: Verdict) -> Verdict:
    """One verdict on what gateways saw and what Prometheus was asked: the graver one, and proven
    where both are. Each has its share of the rate of false alarms."""
    kind = min(sessions.kind, windows.kind, key=GRAVEST_FIRST.index)
    told = [
        each.message
        for each in (sessions, windows)
        if each.kind == kind or kind not in (Kind.BROKEN_SPLIT, Kind.HARM)
    ]
    return Verdict(kind, "; ".join(told), sessions.blocks, (*sessions.metrics, *windows.metrics))


def _read(metric: Metric, counted: Counted, evidence: Evidence, plan: AnalysisPlan) -> Reading:
    canary = baseline = lower = upper = None
    if counted.complete:
        canary = metric.value(counted.canary / counted.complete)
        baseline = metric.value(counted.baseline / counted.complete)
        at = points(metric, plan.block, factor=1.0)
        least, most = bounds(counted.differences, at, plan.proof_alpha)
        lower, upper = least * metric.span, most * metric.span
        if metric.better == "Higher":
            lower, upper = -upper, -lower
    proven = more = None
    if metric.margin is not None:
        wealth = log_proof(metric, counted.excess, plan.block)
        proven = counted.complete > 0 and bool(wealth >= -math.log(plan.proof_alpha))
        if counted.complete or sum(counted.missing):
            more = more_blocks(metric, counted.excess, plan.proof_alpha, plan.block)
    return Reading(
        metric.name, canary, baseline, lower, upper, log_e(counted, metric, plan),
        metric.name in evidence.harmful, proven, more, counted.missing, metric.norm is not None,
    )  # fmt: skip


def _message(
    kind: Kind,
    evidence: Evidence,
    plan: AnalysisPlan,
    readings: tuple[Reading, ...],
    deadline_passed: bool,
    of: Unit,
) -> str:
    unit = f"{of.name}s"
    if kind == Kind.BROKEN_SPLIT:
        got = " and ".join(f"{count:.0f}" for count in evidence.split.counts)
        should = ":".join(map(str, plan.block))
        return (
            f"the split is broken: canary and baseline got {got} sessions, which should be "
            f"{should} (e-value {amount(evidence.split.log_e)}, of which "
            f"{1 / plan.split_alpha:.0f} is enough); find out which sessions are lost or assigned "
            "twice before anything is believed"
        )
    if kind == Kind.HARM:
        told = "; ".join(_compared(reading) for reading in readings if reading.harmful)
        found = f"after {evidence.harmful_at} {unit}" if evidence.harmful_at else "in the shadow"
        return f"the canary is worse, as was found {found}; by now {told}"
    if not (evidence.blocks or any(counted.complete for counted in evidence.metrics)):
        waits = f"waiting for the first {of.name} {of.awaits}"
        return f"no data before the deadline: {waits}" if kind == Kind.INCONCLUSIVE else waits
    largest = max(readings, key=lambda reading: reading.log_e)
    calm = (
        f"no harm found (largest e-value {amount(largest.log_e)}, of {largest.name}; "
        f"{bar(len(readings), plan.harm_alpha):.0f} would stop it)"
    )
    if kind == Kind.PROVEN:
        better = [metric.name for metric in plan.metrics if metric.margin == Margin()]
        gain = f"{', '.join(better)} is better, and " if better else ""
        return f"{calm}; {gain}no metric is worse than its margin, after {evidence.blocks} {unit}"
    missing = [_needs(reading, of) for reading in readings if reading.proven is False]
    missing = missing or ["no metric has a margin, so nothing can be proven"]
    if kind == Kind.INCONCLUSIVE:
        why = (
            f"the cap of {plan.cap} {unit} is reached"
            if evidence.blocks >= plan.cap
            else "the deadline has passed"
        )
        return f"{why} and nothing is decided: {calm}; {'; '.join(missing)}"
    return f"{calm}; {'; '.join(missing)}"


def _compared(reading: Reading) -> str:
    where = "" if reading.shadow else " in the baseline"
    return (
        f"{reading.name} {reading.canary:.4g} against {reading.baseline:.4g}{where} "
        f"(e-value {amount(reading.log_e)})"
    )


def _needs(reading: Reading, of: Unit) -> str:
    """What keeps a metric from being proven."""
    lost = sum(reading.missing)
    without = f", counting {lost} {of.part}s without a value against it" if lost else ""
    if reading.shadow and reading.canary is None:
        return f"{reading.name} has no session in the shadow yet"
    if reading.canary is None:
        return f"{reading.name} has no {of.name} in which every {of.part} has a value"
    if reading.more is None:
        return f"{reading.name} will not be proven if it goes on like this{without}"
    unit = "sessions in the shadow" if reading.shadow else f"{of.name}s"
    return f"{reading.name} needs about {rounded(reading.more)} more {unit} to be proven{without}"


def amount(log: float) -> str:
    """An e-value as a person reads it."""
    if log > math.log(1e6):
        return "above a million"
    if log < math.log(0.01):
        return "below 0.01"
    return f"{math.exp(log):.2g}" if log < math.log(9.5) else f"{math.exp(log):.0f}"


def rounded(number: int) -> int:
    """To two digits, upwards, so that a status does not change with every session."""
    step: int = 10 ** max(0, len(str(number)) - 2)
    return -(-number // step) * step
