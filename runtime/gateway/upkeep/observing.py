"""What sessions in the arms of rollouts and experiments come to: added up at the end of the time
that each is watched, by the gateway that saw it begin, and told to the operator from its log.

Which of them are still to be added up follows from the log, and what they add up to from the
session store, where each turn has its mark: a gateway that is killed begins anew, and comes to the
same.
"""

import asyncio
import random
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog

from crds.observations import Observation, Observations
from crds.routes import RouteTable
from crds.trials import Trial
from runtime.arms import arms_of
from runtime.audit import DecisionLog, LogDamagedError
from runtime.audit.kinds import AssignedEntry, SessionOutcomeEntry
from runtime.audit.log import rfc3339
from runtime.audit.observed import Pending
from runtime.groupcommit import BacklogFullError
from runtime.sessions import (
    SessionDeletedError,
    SessionStore,
    StoreUnavailableError,
    UnknownSessionError,
)
from runtime.sessions.store import MAX_BY_PLAYER
from runtime.sessions.tally import Tally, together

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

_Values = Callable[[Pending], Awaitable[dict[str, float] | None]]


class Observing:
    """The sessions of one gateway's log, as long as it runs.

    Args:
        log: where they are found, and their outcomes written.
        sessions: where their turns have their marks.
        table: which rollout is under way.
        trials: which experiments are.
    """

    def __init__(
        self,
        log: DecisionLog,
        sessions: SessionStore,
        table: Callable[[], RouteTable | None],
        trials: Callable[[], Sequence[Trial]] = tuple,
    ) -> None:
        self._log = log
        self._sessions = sessions
        self._table = table
        self._trials = trials
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
        """Write the outcomes that are due. Of what has ended there are none: its sessions are told
        otherwise since.

        Raises:
            OSError, sqlite3.Error, BacklogFullError: the volume refused.
            StoreUnavailableError: the session store does not answer.
        """
        at, table = rfc3339(now), self._table()
        if table is not None and table.split is not None:
            await self._add_up(table.split.salt, at, self._told)
        for trial in self._trials():
            played = partial(self._lived, trial) if trial.unit == "Player" else self._played
            await self._add_up(trial.salt, at, played)

    async def _add_up(self, rollout: str, at: str, values_of: _Values) -> None:
        due = [each for each in self._log.observed.pending(rollout) if each.settled <= at]
        for first in range(0, len(due), _AT_ONCE):
            batch = due[first : first + _AT_ONCE]
            values = await asyncio.gather(*map(values_of, batch))
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

    async def _told(self, session: Pending) -> dict[str, float] | None:
        """What a session of a rollout came to; nothing where nobody knows any more. None: it is not
        to be counted. It asked nothing, so that its arm never touched it and it says nothing of
        either."""
        tally = await self._tally(session)
        if tally is not None and session.arm == "Shadow":
            tally = tally.in_shadow
        if tally is not None and not tally.asked:
            self._log.observed.drop(session.rollout, session.session)
            return None
        return tally.values if tally else {}

    async def _played(self, session: Pending) -> dict[str, float]:
        """What a session of an experiment came to. It counts also if it asked nothing: the game had
        its values from the beginning, and may have lost the player by them."""
        tally = await self._tally(session)
        return tally.outside if tally else {}

    async def _lived(self, trial: Trial, first: Pending) -> dict[str, float]:
        """What a player came to: in the sessions that began before the window of the first was
        over, each for as long as it was watched. More than the latest hundred are not looked at."""
        with suppress(SessionDeletedError, UnknownSessionError):
            begun = await self._sessions.get(first.session)
            found = await self._sessions.by_player(begun.player or "", MAX_BY_PLAYER)
            watched = sorted(
                (each.created, each.id)
                for each in found
                if begun.created <= each.created < first.until and any(arms_of(each.id, [trial]))
            )
            window = timedelta(seconds=trial.watched_seconds)
            tallies: list[Tally] = []
            for created, session in watched:
                end = rfc3339(datetime.fromisoformat(created) + window)
                tallies.append((await self._sessions.tally(session)).by(end))
            return together(tallies).outside
        return {}

    async def _tally(self, session: Pending) -> Tally | None:
        try:
            return (await self._sessions.tally(session.session)).by(session.until, session.matures)
        except (SessionDeletedError, UnknownSessionError):
            return None

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


def _outcome(session: Pending, values: dict[str, float], at: str) -> SessionOutcomeEntry:
    return SessionOutcomeEntry(
        time=at,
        session=session.session,
        rollout=session.rollout,
        arm=session.arm,
        values=values,
    )
