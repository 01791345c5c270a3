"""What gateways and the configuration service are told of the experiments of a World. Both get the
same words, from the World and the experiments' status alone."""

from collections.abc import Iterable

from controllers.world.promoted import forbidden, tunable_of
from crds.experiment import RUNNING, EvolutionExperiment
from crds.trials import Trial
from crds.world import World


def trials(world: World, experiments: Iterable[EvolutionExperiment]) -> list[Trial]:
    """The experiments that units are in now, by name.

    One whose tunable was locked or bounded meanwhile is left out at once, whatever its status says
    still: a designer's word waits for nobody.
    """
    return [
        _trial(each)
        for each in sorted(experiments, key=lambda found: found.metadata.name)
        if is_running(each) and not _forbidden(world, each)
    ]


def is_running(experiment: EvolutionExperiment) -> bool:
    """Whether units are in its arms."""
    return experiment.status.phase in RUNNING and not experiment.metadata.deletion_timestamp


def _forbidden(world: World, experiment: EvolutionExperiment) -> bool:
    changes = experiment.status.changes
    return any(forbidden(world, tunable_of(each.target), each.value) for each in changes)


def _trial(experiment: EvolutionExperiment) -> Trial:
    spec, status = experiment.spec, experiment.status
    return Trial(
        experiment=experiment.metadata.name,
        salt=status.salt or "",
        unit=spec.unit,
        percent=status.traffic_percent,
        tunables={tunable_of(each.target): each.value for each in status.changes},
        watched_seconds=spec.how.window_seconds,
    )
