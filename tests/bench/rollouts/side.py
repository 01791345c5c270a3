"""What both sides can do, so that one measurement serves both."""

from dataclasses import dataclass
from typing import Literal, Protocol

from tests.e2e.kube import Kube

Phase = Literal["UnderWay", "Done", "Back"]


@dataclass(frozen=True)
class Told:
    """What came of one visit of a player."""

    #: The new revision was asked.
    new: bool
    #: The player had no proper answer.
    bad: bool


class Side(Protocol):
    """One way to roll out an engine. A namespace holds one subject of it."""

    name: str
    #: Whose writes to the API server are counted.
    user: str

    def controller_mib(self) -> float:
        """Resident memory of its controller."""

    def begin(self, kube: Kube) -> None:
        """The subject, with its first revision ready."""

    def edit(self, kube: Kube, *arguments: str, judged: bool) -> None:
        """Change the arguments of its engine. The new revision gets half of what comes for a
        minute, and everything afterwards; where it is judged, errors send it back."""

    def visit(self, kube: Kube) -> Told:
        """Be one player for a moment."""

    def phase(self, kube: Kube) -> Phase:
        """How far the rollout is."""

    def many(self, kube: Kube, count: int) -> None:
        """So many subjects on nodes that only pretend, each in the middle of a rollout that waits
        for a person."""
