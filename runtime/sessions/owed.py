"""Turns of decisions that are already in the log and that the store has not taken: they are offered
until it does, so that a retry with the same Idempotency-Key finds its decision."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

import structlog

from runtime.audit import Record
from runtime.audit.entry import number_of
from runtime.groupcommit import BacklogFullError

log = structlog.get_logger(__name__)

#: Turns that may wait before no further decision is begun.
BOUND = 1024
RETRY_SECONDS = 0.5
MAX_RETRY_SECONDS = 10.0


#: Turns that are offered at once.
_BATCH = 256


class Owed:
    """What is owed to a store.

    Args:
        note: takes the turns of logged decisions, in order; returns what stands in the way of each
            for good. One that it has taken before is none the worse for it.
        refusals: what it raises when it cannot do so now.
        delay: seconds until a turn is first offered, so that several go together; None: as long as
            until it is offered again.
    """

    def __init__(
        self,
        note: Callable[[Sequence[Record]], Awaitable[Sequence[Exception | None]]],
        refusals: tuple[type[Exception], ...],
        delay: float | None = None,
    ) -> None:
        self._note = note
        self._refusals = refusals
        self._delay = delay
        self._owed: dict[str, Record] = {}
        self._offering: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._owed)

    def check(self) -> None:
        """Whether another decision may be begun.

        Raises:
            BacklogFullError: too many turns wait.
        """
        if len(self._owed) >= BOUND:
            raise BacklogFullError(f"{len(self._owed)} turns wait for the session store")

    def of(self, session: str) -> bool:
        """Whether a turn of this session still waits."""
        return any(record.session == session for record in self._owed.values())

    def reaches_before(self, entry: int) -> bool:
        """Whether a turn of a decision before this entry of the log still waits."""
        return any(number_of(decision) < entry for decision in self._owed)

    def owe(self, record: Record) -> None:
        """Offer this turn, a little later and until it is taken."""
        self._owed[record.id] = record
        if self._offering is None or self._offering.done():
            self._offering = asyncio.create_task(self._keep_offering())

    async def settle(self) -> bool:
        """Offer what is owed now; returns whether all of it was taken."""
        waiting = list(self._owed.values())
        for at in range(0, len(waiting), _BATCH):
            batch = waiting[at : at + _BATCH]
            try:
                faults = await self._note(batch)
            except self._refusals as error:
                log.warning("turns_not_noted", turns=len(self._owed), reason=str(error))
                return False
            for record, fault in zip(batch, faults, strict=True):
                self._owed.pop(record.id, None)
                if fault is not None:
                    log.warning("turn_overtaken", decision=record.id, reason=type(fault).__name__)
        return True

    async def close(self) -> None:
        """Try once more. What is then still owed is caught up from the log at the next start."""
        if self._offering is not None:
            self._offering.cancel()
            await asyncio.gather(self._offering, return_exceptions=True)
        await self.settle()

    async def _keep_offering(self) -> None:
        pause, refused = RETRY_SECONDS if self._delay is None else self._delay, False
        while self._owed:
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  (jitter)
            if not await self.settle():
                pause = min(MAX_RETRY_SECONDS, max(RETRY_SECONDS, pause * 2))
                refused = True
        if refused or self._delay is None:
            log.info("turns_noted")
