"""What gateways saw of a rollout, from where the checkpoint of its analysis ends.

How far each log counts stands in the checkpoint alone. Kept here is only which pod writes which
log, so that the first question is mostly the right one, and when a rollout is due: its checkpoint
is a change that has the ensemble looked at again, and without a pause that would never end.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from controllers.ensemble import analysis
from controllers.ensemble.terms import agreed
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
    """Asks the gateways of every Storyteller that uses an ensemble.

    Args:
        gateways: how to ask.
        clock: seconds.
    """

    gateways: Gateways
    clock: Callable[[], float]
    _due: dict[str, float] = field(default_factory=dict)
    _logs: dict[tuple[str, str], str] = field(default_factory=dict)

    async def __call__(
        self, reader: Reader, ensemble: ModelEnsemble, world: World | None, children: Children
    ) -> tuple[tuple[Observations, ...], float | None]:
        """What was seen since the checkpoint, one answer a log, and the seconds until the next
        question. Nothing of a gateway that does not answer, nothing while it is not due, and
        neither where nothing is judged."""
        meta, status = ensemble.metadata, ensemble.status.rollout
        terms = agreed(ensemble.spec.rollout, world)
        if not analysis.is_open(status, terms):
            return (), None
        left = self._due.get(status.salt, 0) - self.clock()
        if left > 0:
            return (), left
        if len(self._due) >= MEMORY:
            self._due.clear()
        stored = children.owned_by(meta.uid).get("ConfigMap", analysis.config_map_name(meta.name))
        cursor = analysis.cursor(terms, status, stored)
        everyone = await all_of(reader, Storyteller, meta.namespace)
        ours = [each.metadata.name for each in everyone if each.spec.ensemble_ref == meta.name]
        found = await together(
            *(
                reader.list_all("v1", "Pod", meta.namespace, {**MANAGED_BY, STORYTELLER: name})
                for name in ours
            )
        )
        asked = [(name, pod) for name, pods in zip(ours, found, strict=True) for pod in pods]
        limit = max(1, MOST // max(1, len(asked)))
        answers = await together(
            *(self._ask(name, pod, status.salt, cursor, limit) for name, pod in asked)
        )
        seen = tuple(answer for answer in answers if answer)
        pause = MORE if any(told.more for told in seen) else terms.every
        self._due[status.salt] = self.clock() + pause
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
