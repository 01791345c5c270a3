"""The plan of an EvolutionExperiment: what is counted of it, what it comes to, and what to say.

It changes nothing itself: gateways and the configuration service follow its status
(`trials`), and so does the World, where what is proven stands (`controllers.world.promoted`).
"""

from datetime import datetime
from typing import Literal

from controllers import conditions as say
from controllers.conditions import Said, Verdict
from controllers.ensemble.rollout import analysis, record
from controllers.experiment import evidence, sizing
from controllers.experiment.evidence import config_map_name
from controllers.experiment.run import HARMFUL, Decision, decide
from controllers.experiment.takeover import takeover
from controllers.experiment.terms import Terms, of
from controllers.observed import ExperimentObserved
from controllers.plan import Event, Object, Plan, owner, split_conflicts
from controllers.pods import MANAGED
from crds.common import API_VERSION
from crds.experiment import EvolutionExperimentSpec, EvolutionExperimentStatus

EXPERIMENT = "fabula.dev/experiment"
#: Seconds between looks while the World is to take something over.
IMPATIENCE = 2.0


def labels(experiment: str) -> Object:
    return {**MANAGED, "app.kubernetes.io/name": "experiment", EXPERIMENT: experiment}


def plan(seen: ExperimentObserved, now: datetime) -> Plan:
    """What to do about an experiment."""
    experiment = seen.experiment
    meta, spec, before = experiment.metadata, experiment.spec, experiment.status
    if meta.deletion_timestamp:
        return Plan()
    terms = of(seen, now)
    name = config_map_name(meta.name)
    stored = seen.children.owned_by(meta.uid).get("ConfigMap", name)
    judged = evidence.judge(terms, spec, before, stored, seen.observations, now)
    decision = decide(
        spec,
        judged.status if judged else _sized(before, spec, terms),
        terms,
        takeover(seen),
        say.unanswered(before),
        meta.uid,
        now,
    )
    status = decision.status
    counted = judged.known if judged else None
    if terms.plan and status.salt and status.salt != before.salt:
        counted = analysis.begun(terms.plan, status.salt, stored)
    answer = say.answer(before, now, decision.said)
    desired: list[Object] = []
    if known := counted or record.standing(status, stored):
        known = record.logged(known, status, answer, now)
        owners = owner("EvolutionExperiment", API_VERSION, meta.name, meta.uid)
        desired.append(record.config_map(name, meta.namespace, known, labels(meta.name), owners))
    ours, conflicts = split_conflicts(desired, seen.children, meta.uid)
    if conflicts:  # nothing begins, and nothing follows, that could not be counted
        status = before
        answer = say.answer(before, now, Said("Refused", "it is stalled; see the Ready condition"))
    verdict = say.conflict("EvolutionExperiment", conflicts) or _verdict(status, seen)
    status = status.model_copy(
        update={
            "observed_generation": meta.generation,
            "conditions": say.conditions(verdict, before.conditions, meta.generation, now),
            "last_request": answer,
        }
    )
    waits = [decision.again_in] if decision.again_in else []
    if evidence.is_open(status, terms):
        waits.append(seen.asked_again_in or terms.every)
    if status.phase == "Promoting" or conflicts:
        waits.append(IMPATIENCE)
    return Plan(
        first=tuple(ours) if counted else (),
        apply=() if counted else tuple(ours),
        events=say.change_events(before, status)
        if conflicts
        else _events(before, status, decision),
        status=status,
        again_in=min(waits, default=None),
    )


def _sized(
    status: EvolutionExperimentStatus, spec: EvolutionExperimentSpec, terms: Terms
) -> EvolutionExperimentStatus:
    """With how many sessions it takes, where none were seen yet."""
    if status.phase in {None, "Waiting", "Invalid"}:
        needed = sizing.required(terms.plan, spec) if terms.plan else None
        return status.model_copy(update={"required_pairs": needed})
    return status


def _verdict(status: EvolutionExperimentStatus, seen: ExperimentObserved) -> Verdict:
    """The phase, as conditions have it."""
    message = status.message or ""
    match status.phase:
        case "Invalid":
            return Verdict(False, "ExperimentInvalid", message, stalled=True)
        case "Running":
            return Verdict(True, "ExperimentRunning", message, reconciling=True)
        case "Paused":
            return Verdict(True, "ExperimentPaused", message, reconciling=True)
        case "AwaitingApproval":
            return Verdict(True, "AwaitingApproval", message, reconciling=True)
        case "Promoting":
            return Verdict(True, "Promoting", message, reconciling=True)
        case "Promoted":
            return Verdict(True, "Promoted", message)
        case "RolledBack":
            return Verdict(True, "RolledBack", message)
        case "Inconclusive":
            return Verdict(True, "Inconclusive", message)
    if seen.world is None:
        return Verdict(False, "WorldNotFound", message, reconciling=True)
    return Verdict(False, "ExperimentWaiting", message, reconciling=True)


def _events(
    before: EvolutionExperimentStatus, after: EvolutionExperimentStatus, decision: Decision
) -> tuple[Event, ...]:
    """An Event for each phase and step, and for what a person had go on in a freeze."""
    overridden: tuple[Event, ...] = ()
    if decision.overridden and decision.said:
        message = f"a person was heard: {decision.said.message}"
        overridden = (Event("Warning", "FreezeOverridden", message),)
    if (before.number, before.phase, before.step) == (after.number, after.phase, after.step):
        return overridden
    harmed = after.verdict is not None and after.verdict.kind in HARMFUL
    bad = after.phase == "Invalid" or (after.phase == "RolledBack" and harmed)
    type_: Literal["Normal", "Warning"] = "Warning" if bad else "Normal"
    return (*overridden, Event(type_, f"Experiment{after.phase}", after.message or ""))
