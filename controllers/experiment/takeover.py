"""Whether what is proven stands where it acts: in the status of the World, or of the Storyteller
whose templates are changed. Who is asked takes it over by itself."""

from dataclasses import dataclass

from controllers.experiment import templates
from controllers.observed import ExperimentObserved
from controllers.templates import name_of
from controllers.world.promoted import refusal


@dataclass(frozen=True)
class Takeover:
    """What the World or the Storyteller makes of it; with neither said, it was not looked at
    yet."""

    taken: bool = False
    refusals: tuple[str, ...] = ()


def takeover(seen: ExperimentObserved) -> Takeover:
    """What becomes of an experiment that is Promoting."""
    status, world = seen.experiment.status, seen.world
    promoted = [each for place in (world, seen.teller) if place for each in place.status.promoted]
    whys = [
        templates.refusal(each, seen) if name_of(each.target) else world and refusal(world, each)
        for each in status.changes
    ]
    return Takeover(
        any(entry.salt == status.salt for entry in promoted), tuple(why for why in whys if why)
    )
