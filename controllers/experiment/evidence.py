"""What the sessions of an experiment amount to, and how many it takes. How it is computed, and
where the checkpoint is from, is as for rollouts (`controllers.ensemble.rollout.analysis`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from controllers import pace
from controllers.conditions import clip
from controllers.delivery.plan import Metric
from controllers.ensemble.rollout import analysis
from controllers.ensemble.rollout.record import Known
from controllers.experiment import sizing
from controllers.experiment.terms import Terms
from controllers.plan import Object
from crds.experiment import (
    RUNNING,
    EvolutionExperimentSpec,
    EvolutionExperimentStatus,
    ExperimentVerdict,
)
from crds.observations import Observations
from crds.rollout import Judged

if TYPE_CHECKING:
    from controllers.delivery.verdict import Reading


@dataclass(frozen=True)
class Judgement:
    """One look: the status with what there is to say, and what it follows from."""

    status: EvolutionExperimentStatus
    known: Known


def config_map_name(experiment: str) -> str:
    return f"{experiment}-experiment"


def is_open(status: EvolutionExperimentStatus, terms: Terms) -> bool:
    """Whether units are in its arms, by the terms that it began with."""
    return status.phase in RUNNING and terms.digest is not None and status.plan == terms.digest


def cursor(
    terms: Terms, status: EvolutionExperimentStatus, stored: Object | None
) -> Mapping[str, int]:
    """The last entry of each log that counts already."""
    if terms.plan is None or status.salt is None:
        return {}
    return analysis.counted_before(terms.plan, status.salt, stored).cursor


def judge(
    terms: Terms,
    spec: EvolutionExperimentSpec,
    status: EvolutionExperimentStatus,
    stored: Object | None,
    seen: Sequence[Observations],
    now: datetime,
) -> Judgement | None:
    """Count what was seen, and say what it amounts to; None where nobody is in its arms. See
    `controllers.ensemble.rollout.analysis.judge`."""
    if terms.plan is None or status.salt is None or not is_open(status, terms):
        return None
    from controllers.delivery import view

    verdict, known = analysis.weigh(
        terms.plan, status.salt, stored, seen, now, _overdue(spec, status, now)
    )
    objective, *guardrails = (
        Judged.model_validate({"name": reading.name, **view.shown(reading)})
        for reading in verdict.metrics
    )
    proven = sum(each.standing == "Proven" for each in guardrails)
    effect, interval = _effect(terms.plan.metrics[0], verdict.metrics[0])
    said = status.model_copy(
        update={
            "verdict": ExperimentVerdict(
                kind=verdict.kind.value,
                pairs=verdict.blocks,
                message=clip(verdict.message, 512),
                digest=known.digest,
            ),
            "objective": objective,
            "guardrails": guardrails,
            "guardrails_proven": f"{proven}/{len(guardrails)}",
            "effect": effect,
            "interval": interval,
            "required_pairs": sizing.required(terms.plan, spec, verdict),
            "takes": sizing.takes(status, verdict, now),
        }
    )
    return Judgement(said, known)


def _overdue(
    spec: EvolutionExperimentSpec, status: EvolutionExperimentStatus, now: datetime
) -> bool:
    """Whether proof was awaited long enough. Time stands still while it is paused."""
    how = spec.how
    if status.step < len(how.steps) or status.step_started_at is None:
        return False
    patience = how.step_minutes + how.deadline_minutes
    return pace.is_over(status.step_started_at, patience, status.paused_at, now)


def _effect(metric: Metric, reading: "Reading") -> tuple[str | None, str | None]:
    """What the objective has gained or lost, and between which bounds; a yes or no in percentage
    points."""
    from controllers.delivery.view import decimal

    if reading.canary is None or reading.baseline is None:
        return None, None
    scale, unit = (100.0, " pp") if metric.kind == "Binary" else (1.0, "")

    def signed(value: float) -> str:
        text = decimal(value * scale)
        return text if text.startswith("-") or text == "0" else f"+{text}"

    effect = signed(reading.canary - reading.baseline) + unit
    if reading.lower is None or reading.upper is None:
        return effect, None
    return effect, f"{signed(reading.lower)} .. {signed(reading.upper)}{unit}"
