"""What a page tells, whatever was tried: a rollout, or an experiment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from crds.history import History

StepState = Literal["Done", "Now", "To come", "Ended here", "Not reached"]


@dataclass(frozen=True)
class Step:
    """A step of the way to everyone."""

    #: Share of new sessions, in percent.
    percent: int
    #: What ends it, in words.
    lasts: str
    state: StepState


@dataclass(frozen=True)
class Story:
    """An analysis as a person wants to hear of it. Every text may be hostile."""

    #: What it is, as ``Rollout 4 of narrators``.
    subject: str
    #: What became of it, in one sentence, and the reason.
    headline: str
    reason: str
    outcome: Literal["Good", "Bad", "Open"]
    #: The phase, as the status calls it.
    phase: str
    facts: tuple[tuple[str, str], ...] = ()
    steps: tuple[Step, ...] = ()
    #: Where each metric stands, by name.
    standings: Mapping[str, str] = field(default_factory=dict)
    history: History = field(default_factory=History)
    #: What the numbers follow from, for who wants to compute them again.
    source: str = ""
