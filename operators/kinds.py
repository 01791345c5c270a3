"""One entry a kind: how it is observed, how it is decided, and what is said when it is gone."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from controllers import ensemble as ensembles
from controllers import experiment as experiments
from controllers import storyteller as storytellers
from controllers import world as worlds
from controllers.plan import Defaults, Plan, Ref
from crds import EvolutionExperiment, Kind, ModelEnsemble, Storyteller, World
from operators.observe import ensemble, experiment, storyteller, world
from operators.observe.ensemble import AskPrometheus, Evidence
from operators.observe.experiment import Outcomes
from operators.observe.reading import Reader, Remember
from operators.observe.storyteller import Ask


@dataclass(frozen=True)
class Handler:
    """The seam to `controllers` for one kind. The observed thing passes through as it is.

    Attributes:
        observe: reads all that the decision needs.
        plan: the decision.
        observe_gone: reads what an object that is gone left behind, where that matters.
        farewell: the decision about that.
    """

    kind: type[Kind]
    observe: Callable[[Reader, Any, Remember], Awaitable[Any]]
    plan: Callable[[Any, datetime], Plan]
    observe_gone: Callable[[Reader, Ref], Awaitable[Any]] | None = None
    farewell: Callable[[Any, datetime], Plan] | None = None


def handlers(
    defaults: Defaults,
    ask: Ask,
    evidence: Evidence,
    outcomes: Outcomes,
    prometheus: AskPrometheus,
) -> dict[str, Handler]:
    """All kinds, by name."""

    async def observe_world(reader: Reader, obj: World, remember: Remember) -> Any:
        return await world.observe(reader, obj, remember, defaults)

    async def observe_ensemble(reader: Reader, obj: ModelEnsemble, remember: Remember) -> Any:
        return await ensemble.observe(reader, obj, remember, defaults, evidence, prometheus)

    async def observe_storyteller(reader: Reader, obj: Storyteller, remember: Remember) -> Any:
        return await storyteller.observe(reader, obj, remember, defaults, ask)

    async def observe_experiment(
        reader: Reader, obj: EvolutionExperiment, remember: Remember
    ) -> Any:
        return await experiment.observe(reader, obj, remember, outcomes)

    return {
        "World": Handler(World, observe_world, worlds.plan),
        "ModelEnsemble": Handler(ModelEnsemble, observe_ensemble, ensembles.plan),
        "Storyteller": Handler(
            Storyteller,
            observe_storyteller,
            storytellers.plan,
            storyteller.observe_gone,
            storytellers.farewell,
        ),
        "EvolutionExperiment": Handler(EvolutionExperiment, observe_experiment, experiments.plan),
    }
