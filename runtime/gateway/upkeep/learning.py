"""Learning from the outcomes that games report, seconds behind the log and never on the way of a
decision; and what it comes to, for those who pay for an ensemble."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import structlog

from crds.figures import Figures
from crds.routes import RouteTable
from runtime.audit import DecisionLog, LogDamagedError, Record
from runtime.audit.notebook import Notebook
from runtime.consensus.evidence import EvidenceUnreadableError
from runtime.consensus.learned import Learned
from runtime.consensus.report import busiest, usual_options
from runtime.consensus.report import report as say
from runtime.gateway.upkeep.figures import Shown, rounded
from runtime.gateway.upkeep.trailing import Trailing, batch

log = structlog.get_logger(__name__)


def _today() -> int:
    return int(time.time() // 86_400)


class Learning:
    """What was learned from a log, as long as it runs."""

    def __init__(self, log: DecisionLog, path: Path, today: Callable[[], int] = _today) -> None:
        """Open the notebook; one that cannot be read is written again from the log.

        Args:
            today: the day, in days since 1970-01-01.

        Raises:
            OSError, sqlite3.Error: the volume refused.
        """
        self._log = log
        self._today = today
        self._trailing = Trailing(self._step, "not_learned")
        self._notebook = _opened(path)
        self._begun = False
        #: The weights that votes count with.
        self.learned = Learned(today, self._notebook.evidence)
        self._shown = Shown()

    def start(self) -> None:
        """Begin to follow the log."""
        self._trailing.start()

    async def stop(self) -> None:
        """Stop; the next start goes on from here."""
        await self._trailing.stop()
        await asyncio.to_thread(self._notebook.close)

    def figures(self, table: RouteTable | None) -> Figures | None:
        """What outcomes say of the ensemble. They are worked out again once there is a tenth more
        to say, or other members. None: there is nothing to compare."""
        if table is None or len(table.routes) < 2:
            return None
        declared = {route.member: route.weight for route in table.routes}
        evidence, today = self.learned.evidence, self._today()
        return self._shown.figures(
            evidence,
            (table.method, tuple(declared.items())),
            today,
            lambda: self._say(table.method == "LogOdds", declared, today),
        )

    def _say(self, learns: bool, declared: Mapping[str, int], today: int) -> Figures:
        evidence = self.learned.evidence
        task = busiest(evidence, today)
        weights = dict(declared)
        if learns:
            options = usual_options(evidence, task, today)
            weights = self.learned.weights_for(task, options, declared)
        return rounded(say(evidence, task, weights, today))

    def _step(self) -> bool:
        """Learn from a batch; returns whether there may be more. The weights change once it has
        caught up."""
        if not self._begun:
            if self._notebook.taken > len(self._log):
                self._notebook.restart()  # the log lost its end, and its numbers are given again
            self._notebook.forget(self._today())
            self._begun = True
        before = self._notebook.taken
        entries, end = batch(self._log, before)
        if end > before:
            self._notebook.add(entries, end, self._find)
        more = end < len(self._log)
        if not more and self._notebook.evidence is not self.learned.evidence:
            self.learned.take(self._notebook.evidence)
        return more

    def _find(self, number: int) -> Record | None:
        with suppress(IndexError, LookupError, LogDamagedError):
            return self._log.read(number)
        return None


def _opened(path: Path) -> Notebook:
    try:
        return Notebook(path)
    except (sqlite3.DatabaseError, EvidenceUnreadableError) as error:
        log.warning("learned_anew", reason=str(error))
        path.unlink(missing_ok=True)
        return Notebook(path)
