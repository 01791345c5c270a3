"""Learned weights as the gateway asks for them, from a checkpoint of the evidence."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from runtime.consensus.evidence import Evidence
from runtime.consensus.weights import learned_weights


class Weights(Protocol):
    """Who knows what each member's vote should count."""

    def weights_for(self, task: str, options: int, declared: Mapping[str, int]) -> dict[str, int]:
        """The weight of each member on a question of this task with so many options."""
        ...


class Learned:
    """Weights from evidence. They are worked out once a day, task, number of options and set of
    members; `take` begins anew with other evidence."""

    def __init__(self, today: Callable[[], int], evidence: Evidence | None = None) -> None:
        """
        Args:
            today: the day, in days since 1970-01-01.
        """
        self._today = today
        self._known: dict[tuple[object, ...], dict[str, int]] = {}
        self.evidence = evidence or Evidence()

    @classmethod
    def read(cls, checkpoint: Path, today: Callable[[], int]) -> "Learned":
        """From a file; with nothing learned where there is none.

        Raises:
            EvidenceUnreadableError: it holds something else.
            OSError
        """
        if not checkpoint.exists():
            return cls(today)
        return cls(today, Evidence.load(checkpoint.read_text()))

    def take(self, evidence: Evidence) -> None:
        """Go on with this evidence."""
        self.evidence = evidence
        self._known.clear()

    def weights_for(self, task: str, options: int, declared: Mapping[str, int]) -> dict[str, int]:
        """The weight of each member on a question of this task with so many options."""
        today = self._today()
        key = (today, task, options, tuple(declared.items()))
        if key not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = learned_weights(self.evidence, task, options, declared, today)
        return dict(self._known[key])


_REMEMBERED = 1024
