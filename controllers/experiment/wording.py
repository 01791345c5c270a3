"""What people are told of an experiment: where it stands, what it waits for, and what they may do.
It follows from the state, and nothing follows from it."""

from controllers.conditions import clip
from controllers.experiment.sizing import UNSEEN
from controllers.experiment.terms import Terms
from controllers.templates import name_of
from controllers.world.promoted import tunable_of
from crds.experiment import (
    RUNNING,
    EvolutionExperimentSpec,
    EvolutionExperimentStatus,
)

_EVERYONES = {"Promoting", "Promoted"}


def told(
    status: EvolutionExperimentStatus, spec: EvolutionExperimentSpec, terms: Terms
) -> EvolutionExperimentStatus:
    """The state with its share of sessions, and words."""
    steps = spec.how.steps
    share = 100 * (status.phase in _EVERYONES)
    if status.phase in RUNNING:
        share = steps[status.step - 1]
    message, following = _words(status, spec, terms)
    return status.model_copy(
        update={
            "steps": len(steps),
            "traffic_percent": share,
            "message": clip(message, 512),
            "next": clip(following, 64),
        }
    )


def _words(
    status: EvolutionExperimentStatus, spec: EvolutionExperimentSpec, terms: Terms
) -> tuple[str, str]:
    """The message, and what comes next in a few words."""
    match status.phase:
        case "Invalid":
            return f"{terms.fault}; it begins when that is mended", "mend it"
        case "Waiting":
            waits = terms.waits or (terms.frozen.words if terms.frozen else "it begins")
            return f"{waits}; {_size(status, spec)}", waits
        case "Running" | "Paused" | "AwaitingApproval":
            message, following = _in_a_step(status, spec)
            if status.phase == "Running" and terms.frozen:
                held = f"{terms.frozen.words}, and it goes on by itself no sooner"
                return f"{message}; {held}", terms.frozen.words
            return message, following
        case "Promoting":
            teller = spec.storyteller
            place = f"Storyteller {teller}" if teller else f"World {spec.world_ref}"
            return f"everyone gets {changes_of(status)}: {place} takes it over", ""
    why = status.log[-1].message if status.log else "it ended"
    if status.phase == "Promoted":
        return why, ""
    return (
        f"{clip(why, 400)}; nobody has the change. Retry begins it again, or edit the spec",
        "Retry",
    )


def _size(status: EvolutionExperimentStatus, spec: EvolutionExperimentSpec) -> str:
    needed = status.required_pairs
    if needed is None:
        return "how many pairs it takes cannot be foretold"
    beyond = ""
    if needed > spec.how.max_pairs:
        beyond = f", more than canary.maxPairs, {spec.how.max_pairs}"
    return f"it takes at most about {needed} pairs{beyond}; how long is {UNSEEN}"


def _in_a_step(status: EvolutionExperimentStatus, spec: EvolutionExperimentSpec) -> tuple[str, str]:
    steps, verdict = spec.how.steps, status.verdict
    units = "players" if spec.unit == "Player" else "sessions"
    begun = (
        f"{steps[status.step - 1]} % of new {units} have {changes_of(status)}, as many are the "
        f"baseline; step {status.step} of {len(steps)}"
    )
    last = status.step >= len(steps)
    following = "everyone" if last else f"{steps[status.step]} %"
    said = f"; {verdict.message}" if verdict else ""
    if status.effect:
        between = f" ({status.interval})" if status.interval else ""
        said = f"; {spec.objective.metric} {status.effect}{between}{said}"
    if status.phase == "AwaitingApproval":
        return (
            f"{begun}; it is proven: Approve gives it to everyone, Abort ends it{said}",
            "Approve",
        )
    if status.phase == "Paused":
        if verdict and verdict.kind == "Inconclusive":
            return f"{begun}{said}; Abort ends it, and Retry then begins it again", "Abort"
        return f"{begun}; it is paused, and Resume goes on{said}", "Resume"
    proof = " if it is proven" if last else ""
    if last and verdict and verdict.kind != "Proven" and status.takes:
        return f"{begun}; everyone follows when it is proven{said}", f"proof: {status.takes}"
    return f"{begun}; {following} at {status.until}{proof}{said}", f"{following} at {status.until}"


def foretold(spec: EvolutionExperimentSpec, status: EvolutionExperimentStatus) -> str | None:
    """What the hypothesis foretold beside what was found; None where it foretold nothing."""
    expected = spec.expected_effect
    judged = [each for each in (status.objective, *status.guardrails) if each]
    found = next((each for each in judged if expected and each.name == expected.metric), None)
    if expected is None or found is None:
        return None
    return (
        f"{expected.metric} was foretold to be {expected.points} points better; it is "
        f"{found.canary} against {found.baseline} in the baseline"
    )


def changes_of(status: EvolutionExperimentStatus) -> str:
    """What is changed, as people say it."""
    return ", ".join(
        f"{name} {each.value} of Storyteller {each.target.split('/')[1]}"
        if (name := name_of(each.target))
        else f"{tunable_of(each.target)} {clip(each.value, 32)}"
        for each in status.changes
    )
