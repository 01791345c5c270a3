"""What gateways and the configuration service are told of the experiments of a World. Both get the
same words, from the World and the experiments' status alone."""

from collections.abc import Collection, Iterable

from controllers.templates import name_of
from controllers.world.promoted import forbidden, tunable_of
from crds.experiment import RUNNING, EvolutionExperiment
from crds.trials import Trial
from crds.world import World


def trials(
    world: World,
    experiments: Iterable[EvolutionExperiment],
    storyteller: str | None = None,
    offered: Collection[tuple[str, str]] = (),
) -> list[Trial]:
    """The experiments that units are in now, by name.

    One whose tunable was locked or bounded meanwhile is left out at once, whatever its status says
    still: a designer's word waits for nobody. So is one whose template is not there any more.

    Args:
        world: where they are.
        experiments: all of it.
        storyteller: whose gateways are told; None: it is the configuration service. On templates
            only those are told of that change this one's.
        offered: name and digest of the templates that the gateways are given.
    """
    return [
        _trial(each)
        for each in sorted(experiments, key=lambda found: found.metadata.name)
        if is_running(each)
        and each.spec.storyteller in {None, storyteller}
        and not _forbidden(world, each, offered)
    ]


def is_running(experiment: EvolutionExperiment) -> bool:
    """Whether units are in its arms."""
    return experiment.status.phase in RUNNING and not experiment.metadata.deletion_timestamp


def _forbidden(
    world: World, experiment: EvolutionExperiment, offered: Collection[tuple[str, str]]
) -> bool:
    return any(
        (name, each.value) not in offered
        if (name := name_of(each.target))
        else forbidden(world, tunable_of(each.target), each.value)
        for each in experiment.status.changes
    )


def _trial(experiment: EvolutionExperiment) -> Trial:
    spec, status = experiment.spec, experiment.status
    named = [(name_of(each.target), each) for each in status.changes]
    return Trial(
        experiment=experiment.metadata.name,
        salt=status.salt or "",
        unit=spec.unit,
        exclude=sorted(spec.exclude),
        percent=status.traffic_percent,
        tunables={tunable_of(each.target): each.value for name, each in named if not name},
        prompts={name: each.value for name, each in named if name},
        watched_seconds=spec.how.window_seconds,
    )
