"""What an EvolutionExperiment's decision needs."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from controllers.experiment.planner import EXPERIMENT
from controllers.observed import ExperimentObserved, needs
from crds import EvolutionExperiment, Storyteller, World
from crds.observations import Observations
from operators.observe.reading import (
    Reader,
    Remember,
    all_of,
    children,
    config_maps,
    referred,
    together,
)

CHILDREN = (("v1", "ConfigMap"),)

#: Asks the gateways what they saw of an experiment; and the seconds until that is asked again.
Outcomes = Callable[
    [Reader, ExperimentObserved], Awaitable[tuple[tuple[Observations, ...], float | None]]
]


async def observe(
    reader: Reader, experiment: EvolutionExperiment, remember: Remember, outcomes: Outcomes
) -> ExperimentObserved:
    """The experiment, its World with all that takes part, and what was seen of it."""
    meta, name = experiment.metadata, experiment.spec.world_ref
    remember(needs(experiment))
    world, everyone, storytellers, made, texts = await together(
        referred(reader, World, meta.namespace, name),
        experiments_of(reader, meta.namespace, name),
        all_of(reader, Storyteller, meta.namespace),
        children(reader, CHILDREN, meta.namespace, {EXPERIMENT: meta.name}),
        config_maps(reader, needs(experiment)),
    )
    told = experiment.spec.storyteller
    counting = [
        each
        for each in storytellers
        if each.spec.world_ref == name and told in {None, each.metadata.name}
    ]
    seen = ExperimentObserved(
        experiment=experiment,
        world=world,
        experiments=everyone,
        storytellers=tuple(each.metadata.name for each in counting),
        teller=counting[0] if told and counting else None,
        config_maps=texts,
        children=made,
    )
    observations, again = await outcomes(reader, seen)
    return replace(seen, observations=observations, asked_again_in=again)


async def experiments_of(
    reader: Reader, namespace: str, world: str | None
) -> tuple[EvolutionExperiment, ...]:
    """The experiments of a World; none where there is no World."""
    if world is None:
        return ()
    found = await all_of(reader, EvolutionExperiment, namespace)
    return tuple(each for each in found if each.spec.world_ref == world)
