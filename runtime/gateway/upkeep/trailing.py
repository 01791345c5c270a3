"""Keeping what is made from the log up with it, in small batches between which requests go first.
It follows from the log, so nobody waits for it and losing it loses nothing."""

import asyncio
import random
import sqlite3
from collections.abc import Callable
from contextlib import suppress

import structlog

from runtime.audit import DecisionLog, LogDamagedError
from runtime.audit.kinds import Stored

log = structlog.get_logger(__name__)

BATCH = 100
#: Between two looks when there is nothing to do, and between two batches: at most about 2,000
#: entries/s are taken up.
IDLE_SECONDS = 1.0
PAUSE_SECONDS = 0.05
#: After the volume refused.
RETRY_SECONDS = 30.0


class Trailing:
    """Something that is taken behind the log, as long as it runs."""

    def __init__(self, step: Callable[[], bool], trouble: str) -> None:
        """
        Args:
            step: takes up a batch, in a thread; returns whether there may be more.
            trouble: how the gateway's log calls it when the volume refuses.
        """
        self._step = step
        self._trouble = trouble
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to follow the log."""
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Stop; the next start goes on from here."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            pause = IDLE_SECONDS
            try:
                if await asyncio.to_thread(self._step):
                    pause = PAUSE_SECONDS
            except (OSError, sqlite3.Error) as error:
                log.warning(self._trouble, reason=str(error))
                pause = RETRY_SECONDS
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311  (jitter)


def batch(log: DecisionLog, taken: int) -> tuple[list[Stored], int]:
    """The next entries that can be read, and the number after the last one, readable or not: the
    length of the log, if that was all.

    Args:
        taken: entries before this number were taken up.
    """
    start = max(taken, log.first)
    end = min(start + BATCH, len(log))
    found: list[Stored] = []
    for number in range(start, end):
        with suppress(LogDamagedError, IndexError):  # removed for its age by now
            found.append(log.fresh(number) or log.stored(number))
    return found, max(start, end)
