"""What experiments proved and everyone has: it stands in the World's status, where it acts, for as
long as nobody edits the default that it stands in for.

An experiment asks for it (`Promoting`), the World takes it over, and the experiment sees that in
the World's status. Nobody writes the status of another, and whoever is killed on the way comes to
the same.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from controllers.plan import Event
from controllers.world.tunables import change_fault, value_fault
from crds.experiment import ChangeStatus, EvolutionExperiment
from crds.tunables import Tunable
from crds.world import Promoted, World

_TUNABLE = "tunable/"


def target(tunable: str) -> str:
    """What a tunable is called as something that is changed."""
    return f"{_TUNABLE}{tunable}"


def tunable_of(what: str) -> str:
    """The name of the tunable that this is."""
    return what.removeprefix(_TUNABLE)


def spec_digest(tunable: Tunable) -> str:
    """Eight hex digits that change when a person gives it another default."""
    text = json.dumps([tunable.name, tunable.type, tunable.default])
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def overruled(tunable: Tunable | None, entry: Promoted | ChangeStatus) -> str | None:
    """Why the spec's own word holds in place of what was proven; None: what was proven does."""
    if tunable is None:
        return "it was taken out of spec.tunables"
    if spec_digest(tunable) != entry.spec_digest:
        return f"its default was edited, to {tunable.default}"
    return value_fault(tunable, entry.value)


def effective(tunables: Iterable[Tunable], promoted: Iterable[Promoted]) -> tuple[Tunable, ...]:
    """The tunables with the values that hold."""
    found = {tunable_of(entry.target): entry for entry in promoted}

    def holds(tunable: Tunable) -> Tunable:
        entry = found.get(tunable.name)
        if entry is None or overruled(tunable, entry):
            return tunable
        return tunable.model_copy(update={"default": entry.value})

    return tuple(map(holds, tunables))


@dataclass(frozen=True)
class Taken:
    """What is promoted from now on, and what there is to tell of it."""

    promoted: list[Promoted]
    events: tuple[Event, ...] = ()


def take(world: World, experiments: Sequence[EvolutionExperiment]) -> Taken:
    """Drop what the spec overrules, and take over what experiments ask for: of one all or
    nothing."""
    declared = {tunable.name: tunable for tunable in world.spec.tunables}
    kept: dict[str, Promoted] = {}
    events: list[Event] = []
    for entry in world.status.promoted:
        if why := overruled(declared.get(tunable_of(entry.target)), entry):
            message = (
                f"{entry.target}: {why}, so {entry.value}, which experiment {entry.experiment} "
                "promoted, does not hold any more"
            )
            events.append(Event("Normal", "PromotionOverruled", message))
        else:
            kept[entry.target] = entry
    for each in sorted(experiments, key=lambda found: found.metadata.name):
        for entry in _asked(each):
            if kept.get(entry.target) == entry or _refused(world, each):
                continue
            kept[entry.target] = entry
            message = f"{entry.target} is {entry.value} for everyone: {entry.experiment} proved it"
            events.append(Event("Normal", "PromotionTaken", message))
    return Taken([kept[name] for name in sorted(kept)], tuple(events))


def refusal(world: World, change: ChangeStatus) -> str | None:
    """Why the World does not take this over; None: it does, or has."""
    name = tunable_of(change.target)
    tunable = next((each for each in world.spec.tunables if each.name == name), None)
    why = overruled(tunable, change)
    if why is None and tunable and tunable.locked:
        why = "it is locked"
    return why and f"{change.target}: {why}"


def forbidden(world: World, name: str, value: str) -> str | None:
    """Why nothing autonomous may give the tunable of this name this value now; None: it may."""
    for tunable in effective(world.spec.tunables, world.status.promoted):
        if tunable.name == name:
            return change_fault(tunable, value)
    return (
        f"World {world.metadata.name} has no tunable {name}; add it to spec.tunables, or remove it"
    )


def _asked(experiment: EvolutionExperiment) -> list[Promoted]:
    status = experiment.status
    if status.phase != "Promoting" or status.salt is None:
        return []
    return [
        Promoted(
            target=change.target,
            value=change.value,
            experiment=experiment.metadata.name,
            salt=status.salt,
            spec_digest=change.spec_digest,
        )
        for change in status.changes
    ]


def _refused(world: World, experiment: EvolutionExperiment) -> bool:
    return any(refusal(world, change) for change in experiment.status.changes)
