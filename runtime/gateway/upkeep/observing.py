"""What sessions in the arms of a rollout come to: added up at the end of the time that each is
watched, by the gateway that saw it begin, and told to the operator from its log.

Which of them are still to be added up follows from the log, and what they add up to from the
session store, where each turn has its mark: a gateway that is killed begins anew, and comes to the
same.
"""

import asyncio
import random
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import structlog

from crds.observations import Observation, Observations
from crds.routes import RouteTable
from runtime.audit import DecisionLog, LogDamagedError
from runtime.audit.kinds import AssignedEntry, SessionOutcomeEntry
from runtime.audit.log import rfc3339
from runtime.groupcommit import BacklogFullError
from runtime.sessions import (
    SessionDeletedError,
    SessionStore,
    StoreUnavailableError,
    UnknownSessionError,
)

log = structlog.get_logger(__name__)

#: Between two looks.
SECONDS = 1.0
#: After a look that the volume or the store refused.
RETRY_SECONDS = 10.0
#: Sessions that are added up at the same time.
_AT_ONCE = 32
#: Observations in one answer, and how long it may be; games name metrics as they like.
MAX_OBSERVATIONS, MAX_BYTES = 2000, 1024 * 1024
#: Bytes of one without its values.
_EACH = 100


class Observing:
    """The sessions of one gateway's log, as long as it runs.

    Args:
        log: where they are found, and their outcomes written.
        sessions: where their turns have their marks.
        table: what is tried out now.
    """

    def __init__(
        self, log: DecisionLog, sessions: SessionStore, table: Callable[[], RouteTable | None]
    ) -> None:
        self._log = log
        self._sessions = sessions
        self._table = table
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._keep_looking())

    async def stop(self) -> None:
        """Stop; the next start goes on from here."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def look(self, now: datetime) -> None:
        """Write the outcomes that are due. Of a rollout that has ended there are none: its sessions
        are told otherwise since.

        Raises:
            OSError, sqlite3.Error, BacklogFullError: the volume refused.
            StoreUnavailableError: the session store does not answer.
        """
        table = self._table()
        if table is None or table.split is None:
            return
        pending, at = self._log.observed.pending(table.split.salt), rfc3339(now)
        due = [each for each in pending if each.settled <= at]
        for first in range(0, len(due), _AT_ONCE):
            batch = due[first : first + _AT_ONCE]
            values = await asyncio.gather(*map(self._values, batch))
            # In the order in which they began, since so they are paired. All are waited for: the
            # next look must not find one that is still being written.
            written = await asyncio.gather(
                *(
                    self._log.note(_outcome(each, found, at))
                    for each, found in zip(batch, values, strict=True)
                    if found is not None
                ),
                return_exceptions=True,
            )
            for failure in written:
                if isinstance(failure, BaseException):
                    raise failure

    async def find(self, origin: str, rollout: str, after: int, limit: int) -> Observations:
        """What the log says of a rollout after an entry, -1 for all of it, from the oldest on.

        Args:
            origin: which log this is.
            rollout: its salt.
            after: the last entry that was looked at before.
            limit: most observations.
        """
        numbers, through, more = self._log.observed.after(rollout, after, limit)
        found = await asyncio.to_thread(self._read, numbers)
        fits = _fitting(found)
        if fits < len(found):
            found, through, more = found[:fits], found[fits - 1].sequence, True
        return Observations(
            log=origin, rollout=rollout, observations=found, through=through, more=more
        )

    async def _values(self, session: AssignedEntry) -> dict[str, float] | None:
        """What a session came to; nothing where nobody knows any more. None: it is not to be
        counted. It asked nothing, so that its arm never touched it and it says nothing of either.
        """
        try:
            tally = await self._sessions.tally(session.session)
        except (SessionDeletedError, UnknownSessionError):
            return {}
        if not tally.asked:
            self._log.observed.drop(session.rollout, session.session)
            return None
        return tally.values

    def _read(self, numbers: list[int]) -> list[Observation]:
        found: list[Observation] = []
        for number in numbers:
            with suppress(LogDamagedError):  # or removed for its age
                entry = self._log.entry(number)
                if isinstance(entry, AssignedEntry):
                    found.append(Observation(sequence=number, kind="Assigned", arm=entry.arm))
                elif isinstance(entry, SessionOutcomeEntry):
                    found.append(
                        Observation(
                            sequence=number, kind="Outcome", arm=entry.arm, values=entry.values
                        )
                    )
        return found

    async def _keep_looking(self) -> None:
        while True:
            pause = SECONDS
            try:
                await self.look(datetime.now(UTC))
            except (OSError, sqlite3.Error, BacklogFullError, StoreUnavailableError) as error:
                log.warning("not_added_up", reason=str(error))
                pause = RETRY_SECONDS
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311  (jitter)


def _fitting(observations: list[Observation]) -> int:
    """How many of them one answer holds; one at least. A value has its name and 25 digits."""
    room = MAX_BYTES
    for at, each in enumerate(observations):
        room -= _EACH + sum(len(name) + 30 for name in each.values)
        if room < 0:
            return max(1, at)
    return len(observations)


def _outcome(session: AssignedEntry, values: dict[str, float], at: str) -> SessionOutcomeEntry:
    return SessionOutcomeEntry(
        time=at,
        session=session.session,
        rollout=session.rollout,
        arm=session.arm,
        values=values,
    )
