"""What gateways saw of a rollout or an experiment, from where the checkpoint of its analysis ends.

How far each log counts stands in the checkpoint alone. Kept here is only which pod writes which
log, so that the first question is mostly the right one, and when a rollout is due: its checkpoint
is a change that has the ensemble looked at again, and without a pause that would never end.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from controllers.ensemble.rollout import analysis, watch
from controllers.ensemble.rollout.terms import agreed
from controllers.experiment import evidence as outcomes
from controllers.experiment import terms as experiments
from controllers.observed import ExperimentObserved
from controllers.plan import Children, Object
from controllers.storyteller.workload import STORYTELLER
from crds import ModelEnsemble, Storyteller, World
from crds.observations import Observations
from operators.observe.reading import MANAGED_BY, Reader, all_of, together
from operators.observe.reports import Gateways

#: Observations in one look, of all gateways together: they take a quarter of a second to count.
MOST = 2000
#: Seconds until the next look where a gateway has more to tell than was asked.
MORE = 1.0
#: Rollouts and pods remembered.
MEMORY = 4096


@dataclass
class Observers:
    """Asks the gateways of every Storyteller that uses an ensemble, or belongs to a World.

    Args:
        gateways: how to ask.
        clock: seconds.
        prometheus: the addresses that may be asked beside: what cannot be judged is not asked for.
    """

    gateways: Gateways
    clock: Callable[[], float]
    prometheus: tuple[str, ...] = ()
    _due: dict[str, float] = field(default_factory=dict)
    _logs: dict[tuple[str, str], str] = field(default_factory=dict)

    async def __call__(
        self, reader: Reader, ensemble: ModelEnsemble, world: World | None, children: Children
    ) -> tuple[tuple[Observations, ...], float | None]:
        """What was seen since the checkpoint, one answer a log, and the seconds until the next
        question. Nothing of a gateway that does not answer, nothing while it is not due, and
        neither where nothing is judged."""
        meta, status = ensemble.metadata, ensemble.status.rollout
        terms = agreed(ensemble.spec.rollout, world, self.prometheus)
        if analysis.is_open(status, terms):
            salt, counted = status.salt, analysis.cursor
        elif watch.is_on(status, terms):
            salt, counted = status.watch_salt, watch.cursor
        else:
            return (), None
        left = self._left(salt)
        if left > 0:
            return (), left
        stored = children.owned_by(meta.uid).get("ConfigMap", analysis.config_map_name(meta.name))
        cursor = counted(terms, status, stored)
        everyone = await all_of(reader, Storyteller, meta.namespace)
        ours = [each.metadata.name for each in everyone if each.spec.ensemble_ref == meta.name]
        return await self._all(reader, meta.namespace, ours, salt, cursor, terms.every)

    async def of_experiment(
        self, reader: Reader, seen: ExperimentObserved
    ) -> tuple[tuple[Observations, ...], float | None]:
        """The same of an experiment, from the gateways of every Storyteller of its World."""
        meta, status = seen.experiment.metadata, seen.experiment.status
        terms = experiments.of(seen)
        if status.salt is None or not outcomes.is_open(status, terms):
            return (), None
        left = self._left(status.salt)
        if left > 0:
            return (), left
        name = outcomes.config_map_name(meta.name)
        stored = seen.children.owned_by(meta.uid).get("ConfigMap", name)
        cursor = outcomes.cursor(terms, status, stored)
        return await self._all(
            reader, meta.namespace, seen.storytellers, status.salt, cursor, terms.every
        )

    def _left(self, salt: str) -> float:
        """Seconds until it is due."""
        return self._due.get(salt, 0) - self.clock()

    async def _all(
        self,
        reader: Reader,
        namespace: str,
        ours: Sequence[str],
        salt: str,
        cursor: Mapping[str, int],
        every: float,
    ) -> tuple[tuple[Observations, ...], float]:
        """Ask every gateway of these Storytellers."""
        if len(self._due) >= MEMORY:
            self._due.clear()
        found = await together(
            *(
                reader.list_all("v1", "Pod", namespace, {**MANAGED_BY, STORYTELLER: name})
                for name in ours
            )
        )
        asked = [(name, pod) for name, pods in zip(ours, found, strict=True) for pod in pods]
        limit = max(1, MOST // max(1, len(asked)))
        answers = await together(
            *(self._ask(name, pod, salt, cursor, limit) for name, pod in asked)
        )
        seen = tuple(answer for answer in answers if answer)
        pause = MORE if any(told.more for told in seen) else every
        self._due[salt] = self.clock() + pause
        return seen, pause

    async def _ask(
        self, storyteller: str, pod: Object, rollout: str, cursor: Mapping[str, int], limit: int
    ) -> Observations | None:
        key = pod["metadata"].get("namespace", ""), pod["metadata"]["name"]
        log = self._logs.get(key, "")
        after = cursor.get(log)
        answer = await self.gateways.observations(storyteller, pod, rollout, after, limit)
        if answer is None:
            return None
        if len(self._logs) >= MEMORY:
            self._logs.clear()
        self._logs[key] = log = answer.log
        if cursor.get(log) == after:
            return answer
        after = cursor.get(log)
        answer = await self.gateways.observations(storyteller, pod, rollout, after, limit)
        return answer if answer and answer.log == log else None
