"""The decisions that were made: logged before anyone hears of them, told of to those who run the
gateway, and found again, whichever replica has them."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import TypeVar

import structlog

from runtime.audit import DecisionLog, Record
from runtime.gateway.metrics import Metrics
from runtime.gateway.peers import Peers
from runtime.limits.visits import Visit
from runtime.sessions import SessionStore, StoreUnavailableError
from runtime.tracing import Trace

log = structlog.get_logger(__name__)

Found = TypeVar("Found")

#: Records of a list that are read at the same time.
_READ_AT_ONCE = 8


class RecordElsewhereError(Exception):
    """The decision was made, and the replica whose log has it does not answer."""


class Records:
    """The decisions of this gateway's log, and of its peers'."""

    def __init__(
        self, decisions: DecisionLog, sessions: SessionStore, peers: Peers, metrics: Metrics
    ) -> None:
        self._decisions = decisions
        self._sessions = sessions
        self._peers = peers
        self._metrics = metrics

    async def log(self, draft: Record) -> Record:
        """Write a decision; returns it with its id, once it is durable.

        Raises:
            OSError, sqlite3.Error, BacklogFullError: the volume refused; there is no decision.
        """
        return await self._decisions.append(draft)

    async def find(self, decision: str, visit: Visit, session: str | None = None) -> Record | None:
        """The record of a decision, from this gateway's log, the session store, or a peer's log;
        ``session`` is the one that is asked in, whose decisions whoever may decide may know."""
        found = await self._decisions.get(decision)
        if found is None and self._sessions.trouble is None:
            with suppress(StoreUnavailableError):
                found = await self._sessions.record(decision)
        return found or await self._peers.find(decision, visit.credential, session)

    async def find_all(
        self, decisions: Sequence[str], visit: Visit, session: str | None = None
    ) -> list[Record]:
        """The records of these decisions that can be read now, in the same order."""
        places = asyncio.Semaphore(_READ_AT_ONCE)

        async def read(decision: str) -> Record | None:
            async with places:
                return await self.find(decision, visit, session)

        found = await asyncio.gather(*(read(each) for each in decisions))
        return [record for record in found if record is not None]

    def tell_of(self, record: Record, trace: Trace, seconds: float, *, tried: bool = False) -> None:
        """Count a decision that took so long, and write a line about it, without its words;
        ``tried``: a rollout watches its session."""
        self._metrics.decided(record, seconds, tried=tried)
        log.info(
            "decided",
            decision=record.id,
            session=record.session,
            trace=trace.trace_id,
            actor=record.actor,
            outcome=record.result.outcome,
            confidence=record.result.confidence,
            answered=[c.member for c in record.candidates if c.state == "Answered"],
            failed=[c.member for c in record.candidates if c.state in ("Failed", "Skipped")],
            cached_from=record.cached_from,
            latency_ms=record.latency_ms,
            turn=record.place.turn if record.place else None,
            handover=record.place.handover if record.place else None,
        )


async def uncut(work: Coroutine[None, None, Found]) -> Found:
    """Finish it, also when who waits for it is cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
