"""How many pairs an experiment takes, and how long that is at the rate at which they come."""

from datetime import datetime
from typing import TYPE_CHECKING

from controllers.delivery.plan import AnalysisPlan, Metric
from crds.experiment import EvolutionExperimentSpec, EvolutionExperimentStatus

if TYPE_CHECKING:
    from controllers.delivery.verdict import Reading, Verdict

#: Pairs after which what was seen of them is believed.
ENOUGH = 20
#: How often a session is bad where nobody knows: then outcomes scatter most.
UNKNOWN = 0.5
UNSEEN = "unknown until sessions are seen"


def required(
    plan: AnalysisPlan, spec: EvolutionExperimentSpec, seen: "Verdict | None" = None
) -> int | None:
    """About how many pairs prove a gain of `minimumEffectPoints` and every margin, where the arms
    are else equal; None where that cannot be foretold.

    Args:
        plan: the objective first.
        spec: of the experiment.
        seen: how the baseline does; before enough is known, as many as it may take at most.
    """
    from controllers.delivery.noninferiority import pairs_needed
    from controllers.delivery.verdict import rounded

    known = seen is not None and seen.blocks >= ENOUGH
    readings = seen.metrics if seen and known else (None,) * len(plan.metrics)
    gain = float(spec.objective.minimum_effect_points) / 100
    needed = 0
    for metric, reading in zip(plan.metrics, readings, strict=True):
        pairs = pairs_needed(metric, _rate(metric, reading), plan.proof_alpha, gain)
        if pairs is None:
            return None
        needed, gain = max(needed, pairs), 0.0  # what is no objective need not gain
    return rounded(needed)


def takes(status: EvolutionExperimentStatus, seen: "Verdict", now: datetime) -> str:
    """How long it takes until all is proven, if it goes on as in this step."""
    asked = [reading for reading in seen.metrics if reading.proven is False]
    if not asked:
        return "nothing is missing"
    came = seen.blocks - status.step_started_pairs
    if came < ENOUGH or status.step_started_at is None:
        return UNSEEN
    if any(reading.more is None for reading in asked):
        return "it will not be proven if it goes on like this"
    more = max(reading.more or 0 for reading in asked)
    passed = (now - datetime.fromisoformat(status.step_started_at)).total_seconds()
    return f"{_lasting(more * passed / came)} at the rate of this step"


def _rate(metric: Metric, reading: "Reading | None") -> float:
    """How bad the baseline is on average, from 0 to 1."""
    if reading is None or reading.baseline is None:
        return UNKNOWN
    share = min(1.0, max(0.0, (reading.baseline - metric.low) / metric.span))
    return share if metric.better == "Lower" else 1.0 - share


def _lasting(seconds: float) -> str:
    """In the unit that a person would use, so that it changes seldom."""
    for unit, name in ((86_400, "days"), (3600, "hours")):
        if seconds > 2 * unit:
            return f"about {seconds / unit:.0f} {name}"
    return f"about {max(1.0, seconds / 60):.0f} minutes"
