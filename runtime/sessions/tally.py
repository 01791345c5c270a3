"""What the turns of a session come to that is watched in an arm.

Each turn carries its own mark, which its decision was logged with, so that it counts once however
often it is noted, whoever tells it; nothing is kept that would have to be added to.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from crds.observations import (
    DEADLINE_MISSES,
    FALLBACKS,
    JUDGE_PREFERENCE,
    MEMBER_ERRORS,
    MEMBER_SLOW,
)
from runtime.audit import Record

#: Metrics that a game may post of one session.
MAX_METRICS = 16
#: What is kept beside them has names that games cannot give. Where nothing came of a turn, as the
#: game went away, or an error was the answer:
IN_VAIN = {"_in_vain": 1.0}
_PREFERRED = "_preferred-"


def preferred(turn: int, preference: float) -> dict[str, float]:
    """What is kept of a turn that was asked in the shadow too: how far the new answer was preferred
    to the old one, 0 to 1. Kept again, it counts once."""
    return {f"{_PREFERRED}{turn}": preference}


def is_games(name: str) -> bool:
    """Whether a game posted it."""
    return not name.startswith("_")


@dataclass(frozen=True, slots=True)
class Mark:
    """What one turn counts as."""

    #: Whether the call of the member that is tried out failed. None: nobody knows.
    failed: bool | None
    #: Whether it took longer than it should. None: nobody knows.
    slow: bool | None
    #: Whether the game got a declared line.
    fallback: bool
    #: It counts in windows that end then or later. None: in any.
    until: str | None = None
    #: Whether it waited for a member until that one's time was over.
    late: bool = False

    @classmethod
    def of(cls, record: Record) -> "Mark | None":
        """The mark of a decision. None: it is not watched."""
        if record.watched is None:
            return None
        fallback = record.result.outcome in ("Fallback", "Abstained")
        late = record.cached_from is None and any(
            each.state == "Failed" and (each.error or "").startswith("Timeout")
            for each in record.candidates
        )
        watched = record.watched
        return cls(watched.failed, watched.slow, fallback, watched.until, late)

    @classmethod
    def read(cls, text: str) -> "Mark":
        """The mark that a store has kept."""
        return cls(*json.loads(text))

    @property
    def text(self) -> str:
        """As a store keeps it."""
        return json.dumps([self.failed, self.slow, self.fallback, self.until, self.late])


@dataclass(frozen=True, slots=True)
class Tally:
    """What is known of one session."""

    #: Of its turns that are watched.
    marks: tuple[Mark, ...] = ()
    #: What the game has posted, by name and what it counts in: see ``posted``.
    metrics: Mapping[str, float] = field(default_factory=dict)

    def by(self, until: str, matures: str | None = None) -> "Tally":
        """What counts in the window that ends then; what is posted does until it matures. Of a name
        the value that counts in the latest end is the last: while an earlier window was open, it
        was posted to count in that too."""
        said = sorted((_end(key), _name(key), value) for key, value in self.metrics.items())
        return Tally(
            tuple(mark for mark in self.marks if (mark.until or "") <= until),
            {name: value for end, name, value in said if end <= (matures or until)},
        )

    @property
    def asked(self) -> bool:
        """Whether its arm was ever to answer. Else the session says nothing of it."""
        return bool(self.marks or self.metrics)

    @property
    def values(self) -> dict[str, float]:
        """By metric, in its unit; what is not known is left out."""
        failed = [mark.failed for mark in self.marks if mark.failed is not None]
        slow = [mark.slow for mark in self.marks if mark.slow is not None]
        counted = {name: value for name, value in self.metrics.items() if is_games(name)}
        shadows = [value for name, value in self.metrics.items() if name.startswith(_PREFERRED)]
        if failed:
            counted[MEMBER_ERRORS] = float(any(failed))
        if slow:
            counted[MEMBER_SLOW] = sum(slow) / len(slow)
        if shadows:
            counted[JUDGE_PREFERENCE] = sum(shadows) / len(shadows)
        if self.marks:
            counted[FALLBACKS] = float(any(mark.fallback for mark in self.marks))
            counted[DEADLINE_MISSES] = float(any(mark.late for mark in self.marks))
        return counted

    @property
    def in_shadow(self) -> "Tally":
        """What a rollout counts of a session in its shadow: what a judge prefers. The rest is there
        for experiments."""
        return Tally(
            (), {name: value for name, value in self.metrics.items() if not is_games(name)}
        )

    @property
    def outside(self) -> dict[str, float]:
        """The values without what is said of the member that a rollout tries out."""
        ours = (MEMBER_ERRORS, MEMBER_SLOW, JUDGE_PREFERENCE, DEADLINE_MISSES)
        return {name: value for name, value in self.values.items() if name not in ours}


def together(sessions: Iterable[Tally]) -> Tally:
    """What several sessions come to as one, in their order; the last value of a name counts."""
    marks: tuple[Mark, ...] = ()
    metrics: dict[str, float] = {}
    for each in sessions:
        marks, metrics = marks + each.marks, {**metrics, **each.metrics}
    return Tally(marks, metrics)


def posted(metrics: Mapping[str, float], until: str) -> dict[str, float]:
    """As a store keeps it: it counts in windows that end then or later."""
    return {f"{name}@{until}": value for name, value in metrics.items()}


def names(kept: Iterable[str]) -> set[str]:
    """The metrics of a game among what a store keeps."""
    return {_name(key) for key in kept if is_games(key)}


def _name(key: str) -> str:
    return key.partition("@")[0]


def _end(key: str) -> str:
    return key.partition("@")[2]
