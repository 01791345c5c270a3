"""Learned weights as the gateway asks for them: worked out once and kept until there is more to
learn from."""

from collections.abc import Callable, Mapping
from typing import Protocol

from runtime.consensus.evidence import Evidence
from runtime.consensus.weights import learned_weights

#: Day, task, number of options, members with their declared weights.
_Asked = tuple[int, str, int, tuple[tuple[str, int], ...]]
_REMEMBERED = 1024


class Weights(Protocol):
    """Who knows what each member's vote should count."""

    def weights_for(self, task: str, options: int, declared: Mapping[str, int]) -> dict[str, int]:
        """The weight of each member on a question of this task with so many options."""
        ...


class Learned:
    """Weights from evidence. They are worked out once a day, task, number of options and set of
    members, and again by `take`, in the thread that calls it: no decision waits for that."""

    def __init__(self, today: Callable[[], int], evidence: Evidence | None = None) -> None:
        """
        Args:
            today: the day, in days since 1970-01-01.
        """
        self._today = today
        # One attribute, so that evidence and what follows from it change together.
        self._held: tuple[Evidence, dict[_Asked, dict[str, int]]] = (evidence or Evidence(), {})

    @property
    def evidence(self) -> Evidence:
        """What the weights follow from."""
        return self._held[0]

    def take(self, evidence: Evidence) -> None:
        """Go on with this evidence, which nobody changes any more."""
        today = self._today()
        asked = [key for key in tuple(self._held[1]) if key[0] == today]
        self._held = evidence, {key: _worked_out(evidence, key) for key in asked}

    def weights_for(self, task: str, options: int, declared: Mapping[str, int]) -> dict[str, int]:
        """The weight of each member on a question of this task with so many options."""
        evidence, known = self._held
        key = self._today(), evidence.known_as(task), options, tuple(declared.items())
        if key not in known:
            if len(known) >= _REMEMBERED:
                known.clear()
            known[key] = _worked_out(evidence, key)
        return dict(known[key])


def _worked_out(evidence: Evidence, asked: _Asked) -> dict[str, int]:
    today, task, options, declared = asked
    return learned_weights(evidence, task, options, dict(declared), today)
