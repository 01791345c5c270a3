"""`fabula experiment report`: how an experiment went, as a page."""

from collections.abc import Mapping
from typing import Any

from cli.picture import Step, Story
from cli.picture import figures as say
from cli.picture.story import StepState
from cli.report import BECAUSE, ReportError, kept_of, sentence
from crds.experiment import RUNNING, EvolutionExperiment, EvolutionExperimentStatus
from crds.history import History

_GOOD, _BAD = {"Promoting", "Promoted"}, {"RolledBack", "Inconclusive", "Invalid"}


def history_of(experiment: str) -> str:
    """The ConfigMap with the history of an experiment."""
    return f"{experiment}-experiment"


def of_experiment(found: Mapping[str, Any], kept: Mapping[str, Any] | None) -> Story:
    """The story of an experiment.

    Args:
        found: the EvolutionExperiment.
        kept: the ConfigMap of its analysis, where there is one. One of another run is none.

    Raises:
        ReportError: it has not begun.
        InvalidObjectError: it is not what this version expects.
    """
    experiment = EvolutionExperiment.parse(dict(found))
    meta, status = experiment.metadata, experiment.status
    if status.salt is None:
        why = status.message or "it was not looked at yet"
        raise ReportError(f"{meta.name} has not begun: {why}")
    history, source = kept_of(status, kept)
    judged = [each for each in (status.objective, *status.guardrails) if each]
    return Story(
        subject=f"Run {status.number} of EvolutionExperiment {meta.name} in {meta.namespace}",
        headline=_headline(status),
        reason=sentence(status.message or ""),
        outcome="Good" if status.phase in _GOOD else "Bad" if status.phase in _BAD else "Open",
        phase=status.phase or "Waiting",
        facts=_facts(experiment, history),
        steps=_steps(experiment),
        standings={each.name: each.standing for each in judged},
        history=history,
        source=source,
    )


def _headline(status: EvolutionExperimentStatus) -> str:
    what = " and ".join(f"{each.target.partition('/')[2]} {each.value}" for each in status.changes)
    kind = status.verdict.kind if status.verdict else None
    because = f": {BECAUSE[kind]}" if kind in BECAUSE else ""
    match status.phase:
        case "Promoting" | "Promoted":
            return f"{what} is everyone’s, proven better"
        case "RolledBack" | "Inconclusive":
            return f"nobody has {what}{because}"
        case "AwaitingApproval":
            return f"{what} is proven better, and a person decides"
        case "Paused":
            return f"{what} is paused at {status.traffic_percent} %{because}"
        case "Running":
            proven = (
                ", proven better so far" if kind == "Proven" else ", and nothing is decided yet"
            )
            return f"{what} has {status.traffic_percent} %{proven}"
    return f"nobody has {what} now"


def _facts(experiment: EvolutionExperiment, history: History) -> tuple[tuple[str, str], ...]:
    spec, status = experiment.spec, experiment.status
    facts = [
        ("Believed", spec.hypothesis),
        ("Instead of", " and ".join(each.before for each in status.changes)),
        ("Objective", spec.objective.metric),
    ]
    if spec.expected_effect:
        expected = spec.expected_effect
        facts.append(("Foretold", f"{expected.metric} better by {expected.points} points"))
    if status.effect:
        between = f", between {status.interval}" if status.interval else ""
        facts.append(("Found", f"{status.effect}{between}"))
    if status.started_at:
        began = say.moment(status.started_at)
        facts.append(("Began", say.full(began)))
        if history.log:
            followed = max(say.times(history)) - began
            facts.append(("Followed for", say.lasted(followed.total_seconds())))
    if status.verdict:
        facts += [
            ("Pairs that count", f"{status.verdict.pairs:,}"),
            ("Verdict", status.verdict.kind),
        ]
    return tuple(facts)


def _steps(experiment: EvolutionExperiment) -> tuple[Step, ...]:
    how, status = experiment.spec.how, experiment.status
    lasts = say.lasted(60 * how.step_minutes)
    return tuple(
        Step(percent, lasts, _state(number, status)) for number, percent in enumerate(how.steps, 1)
    )


def _state(step: int, status: EvolutionExperimentStatus) -> StepState:
    if status.phase in _GOOD or step < status.step:
        return "Done"
    if status.phase in RUNNING:
        return "Now" if step == status.step else "To come"
    return "Ended here" if step == status.step else "Not reached"
