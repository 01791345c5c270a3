"""Whether an experiment may run, and what it is judged by, agreed before the first session. Who
changes any of it in the middle begins it again (`Terms.digest`)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from controllers import templates as names
from controllers.delivery.plan import DEFAULT_MARGIN, AnalysisPlan, Margin, Metric, PlanError
from controllers.ensemble.revision import digest
from controllers.ensemble.rollout.terms import game_metric
from controllers.experiment import templates
from controllers.experiment.templates import NotYetError
from controllers.freeze import Frozen, frozen
from controllers.observed import ExperimentObserved
from controllers.plan import Object
from controllers.world.promoted import effective, forbidden, spec_digest, target
from crds.experiment import (
    RUNNING,
    ChangeStatus,
    EvolutionExperiment,
    EvolutionExperimentSpec,
)
from crds.observations import FALLBACKS
from crds.storyteller import Storyteller
from crds.world import World

#: Experiments of a World that run at a time: the id of a session has room for so many arms.
AT_ONCE = 6
#: Seconds between two looks at the least and at the most.
SOON, SELDOM = 2.0, 30.0


@dataclass(frozen=True)
class Terms:
    """What an experiment changes, and how it is judged."""

    plan: AnalysisPlan | None = None
    changes: tuple[ChangeStatus, ...] = ()
    #: Of everything that makes one session's outcome another; None where it cannot be said.
    digest: str | None = None
    #: Of the spec alone.
    spec_digest: str = ""
    #: Why it may not run, and what to do.
    fault: str | None = None
    #: What it waits for, where it may.
    waits: str | None = None
    #: The freeze in which nothing of it begins by itself, if one is in force.
    frozen: Frozen | None = None
    #: Seconds between two looks.
    every: float = SELDOM


def agreed(
    experiment: EvolutionExperiment,
    world: World | None,
    others: Sequence[EvolutionExperiment] = (),
    storytellers: Sequence[str] = (),
    teller: Storyteller | None = None,
    config_maps: Mapping[str, Object] = MappingProxyType({}),
) -> Terms:
    """The terms as they are now.

    Args:
        experiment: which.
        world: the one that it refers to.
        others: all experiments of that World.
        storytellers: those of that World, whose gateways count sessions.
        teller: the one of them whose templates it changes, if it does.
        config_maps: live ones by name, with the templates that it tries.
    """
    spec = experiment.spec
    # Without defaults, so that a newer operator with more of them begins nothing anew.
    whole = digest(spec.model_dump(mode="json", by_alias=True, exclude_defaults=True))
    every = min(SELDOM, max(SOON, spec.how.rollback_seconds / 2))
    if world is None:
        absent = f"spec.worldRef names World {spec.world_ref}, which is not there; create it"
        return Terms(spec_digest=whole, waits=absent, every=every)
    try:
        plan = _plan(spec, world)
        told = templates.changes(spec, teller, config_maps)
        changes = tuple(sorted([*_tunables(spec, world), *told], key=lambda each: each.target))
    except PlanError as error:
        return Terms(spec_digest=whole, fault=str(error), every=every)
    except NotYetError as missing:
        return Terms(spec_digest=whole, waits=str(missing), every=every)
    waits = _queue(experiment, others)
    running = experiment.status.phase in RUNNING
    if waits is None and not storytellers and not running:
        waits = (
            f"no Storyteller of World {spec.world_ref} is there, so nobody counts sessions; create "
            "one with this worldRef"
        )
    if waits is None and teller:
        waits = templates.unseen(changes, teller, experiment.status.changes if running else [])
    said = digest([whole, plan.digest, [each.dump() for each in changes]])
    return Terms(plan, changes, said, whole, waits=waits, every=every)


def of(seen: ExperimentObserved, now: datetime | None = None) -> Terms:
    """The terms of what was observed; with the time, whether they hold in a freeze."""
    terms = agreed(
        seen.experiment,
        seen.world,
        seen.experiments,
        seen.storytellers,
        seen.teller,
        seen.config_maps,
    )
    if seen.world is None or now is None:
        return terms
    return replace(terms, frozen=frozen(seen.world.spec.freeze_windows, now))


def metric_of(name: str, margin: float, world: World, watched: int) -> Metric:
    """A metric of an experiment whose units are watched for so many seconds; ``margin`` is a share
    of its range.

    Raises:
        PlanError: nobody counts it, or not so.
    """
    if name == FALLBACKS:
        return Metric(name, Margin(margin))
    declared = {metric.name: metric for metric in world.spec.metrics}
    if name not in declared:
        raise PlanError(
            f"nobody counts {name}; declare it in spec.metrics of World {world.metadata.name}, or "
            f"use {FALLBACKS}"
        )
    metric = declared[name]
    if metric.prometheus:
        raise PlanError(
            f"{name} is asked of Prometheus, which rollouts alone do; post it of each session"
        )
    if (metric.matures_after_minutes or 0) * 60 > watched:
        raise PlanError(
            f"{name} matures after {metric.matures_after_minutes} minutes, and "
            f"canary.windowSeconds of {watched} end before; raise them, or take a metric that is "
            "known sooner"
        )
    return game_metric(metric, margin)


def _plan(spec: EvolutionExperimentSpec, world: World) -> AnalysisPlan:
    """The objective, which has to be better by whatever little, then the guardrails."""
    cohorts = {cohort.name for cohort in world.spec.cohorts}
    if unknown := sorted(set(spec.exclude) - cohorts):
        raise PlanError(
            f"spec.exclude: World {world.metadata.name} has no cohort {', '.join(unknown)}; add it "
            "to spec.cohorts, or remove it"
        )
    margins = [(spec.objective.metric, 0.0)]
    for each in spec.guardrails:
        points = each.margin_points
        share = DEFAULT_MARGIN.absolute if points is None else float(points) / 100
        margins.append((each.metric, share))
    metrics = tuple(
        metric_of(name, margin, world, spec.how.window_seconds) for name, margin in margins
    )
    return AnalysisPlan(metrics, cap=spec.how.max_pairs)


def _tunables(spec: EvolutionExperimentSpec, world: World) -> list[ChangeStatus]:
    holding = {
        tunable.name: tunable for tunable in effective(world.spec.tunables, world.status.promoted)
    }
    declared = {tunable.name: tunable for tunable in world.spec.tunables}
    changes = []
    for at, each in enumerate(spec.changes):
        change = each.tunable
        if change is None and each.prompt is None:  # of a newer version than this operator
            raise PlanError(f"spec.changes[{at}] is of a kind that this operator does not know")
        if change is None:
            continue
        if why := forbidden(world, change.name, change.value):
            raise PlanError(f"spec.changes[{at}]: {why}")
        before = holding[change.name].default
        if before == change.value:
            raise PlanError(
                f"spec.changes[{at}]: tunable {change.name} is {before} already, so there is "
                "nothing to try"
            )
        changes.append(
            ChangeStatus(
                target=target(change.name),
                before=before,
                value=change.value,
                spec_digest=spec_digest(declared[change.name]),
            )
        )
    return changes


def _queue(experiment: EvolutionExperiment, others: Sequence[EvolutionExperiment]) -> str | None:
    """Who goes first: what runs, in the order in which it began; then what is older."""
    mine = _place(experiment)
    before = [each for each in _rivals(experiment, others) if _place(each) < mine]
    for each in before:
        if shared := sorted(_targets(each) & _targets(experiment)):
            verb = "runs" if _holds(each) else "comes first"
            return (
                f"EvolutionExperiment {each.metadata.name} {verb} and changes "
                f"{', '.join(shared)} too; one at a time"
            )
    running = [each.metadata.name for each in before if _holds(each)]
    if len(running) >= AT_ONCE:
        return f"{AT_ONCE} experiments of the World run already: {', '.join(running)}"
    return None


def _rivals(
    experiment: EvolutionExperiment, others: Iterable[EvolutionExperiment]
) -> list[EvolutionExperiment]:
    """Those that run or want to, in the order of their turns."""
    found = [
        each
        for each in others
        if each.metadata.name != experiment.metadata.name
        and not each.metadata.deletion_timestamp
        and (_holds(each) or each.status.phase in {None, "Waiting"})
    ]
    return sorted(found, key=_place)


def _place(experiment: EvolutionExperiment) -> tuple[bool, str, str]:
    meta, status = experiment.metadata, experiment.status
    running = _holds(experiment)
    since = (status.started_at or "") if running else meta.creation_timestamp
    return not running, since, meta.name


def _holds(experiment: EvolutionExperiment) -> bool:
    """Whether nobody else may change what it changes."""
    return experiment.status.phase in (*RUNNING, "Promoting")


def _targets(experiment: EvolutionExperiment) -> set[str]:
    changes = experiment.spec.changes
    return {each.tunable.name for each in changes if each.tunable} | {
        names.target(each.prompt.storyteller, each.prompt.name) for each in changes if each.prompt
    }
