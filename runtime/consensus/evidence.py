"""What complete decisions and their outcomes teach, kept as counts and nothing else.

Counts add up: the evidence of several gateways is their sum, an outcome that is corrected is taken
out and put in again, and what is dropped is dropped by its age.

Only decisions that ran to completion may be counted. Early exit hides the answers of those who are
slow exactly when the others agree, so whatever was seen of them is a biased sample.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

#: Evidence is kept in periods of so many days, and a period counts half for each HALF_LIFE_PERIODS
#: that have passed since: models and questions change.
PERIOD_DAYS = 28
HALF_LIFE_PERIODS = 3
#: After that many periods (five half-lives, a weight of 3 %) it is dropped.
KEPT_PERIODS = 15
#: Tasks beyond these are counted together, so that whoever names tasks cannot fill the memory.
MAX_TASKS = 16
OTHER_TASKS = "other"
#: What questions are whose task nobody named.
DEFAULT_TASK = "decisions"
SCHEMA_VERSION = 1

#: Counts by name; floats once they are weighted by age.
Counts = Mapping[str, float]


class EvidenceUnreadableError(ValueError):
    """A checkpoint is not one of this version; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A decision that ran to completion, in canonical answers."""

    task: str
    #: Day of the decision, in days since 1970-01-01.
    day: int
    #: How many options the question had, at least 2. Prose has no right answer to learn from.
    options: int
    #: What each member said that was asked. None: nothing (it failed or was out).
    answers: Mapping[str, str | None]
    #: What the ensemble came to. None: the fallback.
    decision: str | None
    #: How sure each member said it was, in percent, where members say so.
    stated: Mapping[str, int] = field(default_factory=dict)


def truth_from_grade(options: Sequence[str], decision: str, *, right: bool) -> str | None:
    """The right option, from a game that says only whether the decision was right.

    Of two options, the other one. Of more nobody knows, and then a right decision teaches nothing
    either: counting the right ones only would make every member look better than it is.
    """
    if len(options) != 2:
        return None
    return next(option for option in options if (option == decision) == right)


class Evidence:
    """Counts by task and period."""

    def __init__(self) -> None:
        self._cells: dict[tuple[str, int], Counter[str]] = {}
        self._tasks: set[str] = set()

    def learn(self, heard: Heard, truth: str | None = None) -> None:
        """Count a complete decision: without ``truth`` who agreed with whom, with it (the canonical
        right answer) who was right. A decision is counted once each way."""
        key = self.place(heard.task), heard.day // PERIOD_DAYS
        counts = Counter(self._cells.get(key, ()))
        counts.update(_lessons(heard, truth))
        self._keep(key, counts)

    def unlearn(self, heard: Heard, truth: str | None = None) -> None:
        """Take back what the same call of `learn` counted, to correct an outcome. What was dropped
        for its age since is left alone. The task is the one that `place` named at that time."""
        key = heard.task, heard.day // PERIOD_DAYS
        if key in self._cells:
            counts = Counter(self._cells[key])
            counts.subtract(_lessons(heard, truth))
            self._keep(key, counts)

    def place(self, task: str) -> str:
        """The task that a lesson of this task is counted under now."""
        known = task in self._tasks or len(self._tasks) < MAX_TASKS - 1
        return task if known else OTHER_TASKS

    def known_as(self, task: str) -> str:
        """The task whose counts say most of this one: itself, or what is counted together."""
        return task if task in self._tasks else OTHER_TASKS

    def copy(self) -> "Evidence":
        """The same counts, to go on from."""
        copied = Evidence()
        copied._cells, copied._tasks = dict(self._cells), set(self._tasks)
        return copied

    def merge(self, other: "Evidence") -> None:
        """Add what another gateway counted."""
        for (task, period), counts in other._cells.items():
            key = self.place(task), period
            total = Counter(self._cells.get(key, ()))
            total.update(counts)
            self._keep(key, total)

    def forget(self, today: int) -> None:
        """Drop what is too old to count."""
        oldest = today // PERIOD_DAYS - KEPT_PERIODS
        self._cells = {key: counts for key, counts in self._cells.items() if key[1] > oldest}
        self._tasks = {task for task, _ in self._cells}

    def of(self, task: str, today: int) -> Counts:
        """The counts of a task, weighted by age."""
        return self._weighted((key for key in self._cells if key[0] == task), today)

    def beside(self, task: str, today: int) -> list[Counts]:
        """The counts of each other task, weighted by age."""
        return [self.of(other, today) for other in sorted(self._tasks - {task})]

    @property
    def tasks(self) -> list[str]:
        """The tasks that anything is known of, sorted."""
        return sorted(self._tasks)

    def dump(self) -> str:
        """A checkpoint, as JSON."""
        tasks: dict[str, dict[str, dict[str, int]]] = {}
        for (task, period), counts in sorted(self._cells.items()):
            tasks.setdefault(task, {})[str(period)] = dict(sorted(counts.items()))
        return json.dumps({"version": SCHEMA_VERSION, "tasks": tasks}, ensure_ascii=False)

    @classmethod
    def load(cls, checkpoint: str) -> "Evidence":
        """Read a checkpoint.

        Raises:
            EvidenceUnreadableError
        """
        evidence = cls()
        try:
            document: Any = json.loads(checkpoint)
            if document["version"] != SCHEMA_VERSION:
                raise EvidenceUnreadableError(
                    f"version {document['version']!r} is not {SCHEMA_VERSION}; "
                    "remove the file to learn anew, or run the release that wrote it"
                )
            for task, periods in document["tasks"].items():
                for period, counts in periods.items():
                    evidence._keep(
                        (str(task), int(period)),
                        Counter({str(name): int(number) for name, number in counts.items()}),
                    )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, EvidenceUnreadableError):
                raise
            raise EvidenceUnreadableError(
                f"not a checkpoint of evidence ({type(error).__name__}: {error}); "
                "remove the file to learn anew"
            ) from None
        return evidence

    def _keep(self, key: tuple[str, int], counts: Counter[str]) -> None:
        """Put these counts in place. Cells are replaced and never changed, so that copies may share
        them; what comes to nothing leaves no trace, so that a checkpoint says everything."""
        kept = Counter({name: number for name, number in counts.items() if number})
        if kept:
            self._cells[key] = kept
            self._tasks.add(key[0])
        elif self._cells.pop(key, None) is not None:
            self._tasks = {task for task, _ in self._cells}

    def _weighted(self, keys: Iterable[tuple[str, int]], today: int) -> Counts:
        total: dict[str, float] = {}
        for key in sorted(keys):
            age = max(0, today // PERIOD_DAYS - key[1])
            share = 0.5 ** (age / HALF_LIFE_PERIODS) if age < KEPT_PERIODS else 0.0
            for name, number in self._cells[key].items():
                total[name] = total.get(name, 0.0) + share * number
        return total


def pairs(members: Iterable[str]) -> list[tuple[str, str]]:
    """Every two members, in the order that names of counts have."""
    return list(combinations(sorted(members), 2))


def _lessons(heard: Heard, truth: str | None) -> Counter[str]:
    return _agreements(heard) if truth is None else _outcomes(heard, truth)


def _agreements(heard: Heard) -> Counter[str]:
    answered = {member: said for member, said in heard.answers.items() if said is not None}
    return Counter(
        f"{'same' if answered[one] == answered[other] else 'differ'} {one} {other}"
        for one, other in pairs(answered)
    )


def _outcomes(heard: Heard, truth: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    held = heard.decision == truth
    counts["held" if held else "failed"] += 1
    wrong: dict[str, bool] = {}
    for member, said in heard.answers.items():
        if said is None:
            counts[f"silent {member}"] += 1
        else:
            wrong[member] = said != truth
            counts[f"{'wrong' if wrong[member] else 'right'} {member} {heard.options}"] += 1
        if held != (said == truth):
            counts[f"{'ahead' if held else 'behind'} {member}"] += 1
    for one, other in pairs(wrong):
        counts[f"{_COINCIDENCE[wrong[one], wrong[other]]} {one} {other}"] += 1
    for member, percent in heard.stated.items():
        if member in wrong:
            place = f"{member} {min(percent // 10, 9)}"
            counts[f"stated {place}"] += 1
            counts[f"claimed {place}"] += percent
            counts[f"borne {place}"] += not wrong[member]
    return counts


#: Names of counts by whether the first and the second of a pair were wrong.
_COINCIDENCE = {
    (True, True): "both",
    (True, False): "first",
    (False, True): "second",
    (False, False): "neither",
}
