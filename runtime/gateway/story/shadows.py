"""Asking the new revision of a member what the old one has answered, after the game has its answer:
told to nobody, recorded, and compared by a judge if there is one.

It waits for nobody and nobody waits for it. There is room for a few; what comes while the gateway
has enough to do, or has waited for too long, is left out. Which is left out says nothing of the new
revision, so it says nothing of the verdict. What fails does: a new revision that has no answer
where the old one has one loses.
"""

import asyncio
import sqlite3
import time
from dataclasses import dataclass

import structlog

from crds.routes import RouteTable
from runtime.audit import Candidate, DecisionLog, Record
from runtime.audit.kinds import ShadowEntry
from runtime.audit.record import Ruling
from runtime.consensus import canonical
from runtime.engines import EngineError
from runtime.gateway.members.voices import Seat, Voices
from runtime.gateway.metrics import Metrics
from runtime.gateway.story.admission import Admission
from runtime.gateway.story.asking import milliseconds
from runtime.gateway.story.council import Motion
from runtime.gateway.story.paying import UNPAID, Payer
from runtime.gateway.story.poll import Ask, part, tokens_of
from runtime.gateway.story.prompt import build
from runtime.gateway.story.ruling import compare
from runtime.gateway.story.watching import SHADOW_SECONDS, compared
from runtime.groupcommit import BacklogFullError
from runtime.sessions import (
    Session,
    SessionDeletedError,
    SessionStore,
    StoreUnavailableError,
    UnknownSessionError,
)
from runtime.sessions.tally import preferred

log = structlog.get_logger(__name__)

#: Asked at the same time, and those that wait for it besides.
AT_ONCE, WAITING = 4, 32
#: Turns of a session that are compared, the first of them; each is kept with the session.
COMPARED_TURNS = 50
OLD, NEW = "old", "new"


@dataclass(frozen=True, slots=True)
class _Question:
    """A decision that is to be asked again."""

    record: Record
    session: Session
    motion: Motion
    table: RouteTable
    since: float


class Shadows:
    """Asks in the background.

    Args:
        decisions: where it is recorded.
        sessions: where it is kept which answer was preferred.
        voices: whom to ask.
        payer: the gateway, under the caps of World and Storyteller.
        admission: tells whether the gateway has enough to do.
        metrics: where it is counted what became of them.
    """

    def __init__(
        self,
        decisions: DecisionLog,
        sessions: SessionStore,
        voices: Voices,
        payer: Payer,
        admission: Admission,
        metrics: Metrics,
    ) -> None:
        self._decisions = decisions
        self._sessions = sessions
        self._voices = voices
        self._payer = payer
        self._admission = admission
        self._metrics = metrics
        self._places = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, record: Record, session: Session, motion: Motion, table: RouteTable) -> None:
        """Have it asked again, if there is room. Returns at once."""
        if record.cached_from is not None:  # the old revision was not asked either
            return
        if len(self._tasks) >= AT_ONCE + WAITING or self._admission.waiting:
            self._count("Dropped")
            return
        question = _Question(record, session, motion, table, time.monotonic())
        task = asyncio.create_task(self._follow(question))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Leave what is under way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, question: _Question) -> None:
        async with self._places:
            waited = time.monotonic() - question.since
            if waited > SHADOW_SECONDS or self._admission.waiting:
                self._count("Dropped")
                return
            try:
                self._count(await self._ask(question))
            except (OSError, sqlite3.Error, BacklogFullError, StoreUnavailableError) as error:
                log.warning("shadow_not_kept", decision=question.record.id, reason=str(error))
            except Exception:  # whatever it is, the answer was given
                log.exception("shadow_failed", decision=question.record.id)

    async def _ask(self, question: _Question) -> str:
        """Ask, compare and keep it; what became of it, in a word."""
        record, split = question.record, question.table.split
        seat = self._voices.tried
        tried = {way.revision for way in split.canary} if split else set()
        if split is None or seat is None or seat.route.revision not in tried:
            return "Ended"  # or the new revision was not ready
        judge = split.shadow.judge if split.shadow else None
        old = next((each for each in record.candidates if each.member == split.member), None)
        stable, again = self._voices.seat(split.member), None
        if judge and stable and old and old.state in ("Cancelled", "Failed"):
            # It may have had an answer, and failed in more haste than there is in the shadow.
            candidate, again = await asyncio.gather(
                self._answer(question, seat), self._answer(question, stable)
            )
            old = again
        else:
            candidate = await self._answer(question, seat)
        if candidate is None:
            return "Unpaid"
        ruling = await self._judged(question, judge, old, candidate) if judge and old else None
        entry = ShadowEntry(
            time=record.time,
            decision=record.id,
            session=question.session.id,
            rollout=split.salt,
            candidate=candidate,
            old=again,
            ruling=ruling,
            preference=None if old is None else preference(old, candidate, ruling),
        )
        written = await self._decisions.beside(entry, record)
        await self._keep(question, entry)
        log.info(
            "shadowed",
            entry=written.id,
            decision=record.id,
            state=candidate.state,
            latency_ms=candidate.latency_ms,
            preference=entry.preference,
        )
        return candidate.state

    async def _answer(self, question: _Question, seat: Seat) -> Candidate | None:
        """The part of this revision; None: there is no money for it."""
        motion, route = question.motion, seat.route
        prompt = build(motion.config, route, motion.scene, motion.trace.header)
        ask = Ask(seat, route.weight, prompt, prompt.digest)
        reason = seat.member.unavailable()
        if reason is not None:
            return part(ask, "Skipped", error=reason)
        patience = float(min(route.timeout_seconds, question.table.timeout_seconds))
        started = time.monotonic()
        try:
            async with self._payer.paying(route, prompt, patience) as spending:
                try:
                    answer, reply = await seat.member.ask_aside(prompt, patience)
                except EngineError as error:
                    self._payer.charge(spending, route, "Failed", str(error), None)
                    raise
                cost = seat.known.cost_usd(reply.usage)
                self._payer.charge(spending, route, "Answered", None, cost)
        except UNPAID:
            return None
        except EngineError as error:
            return part(ask, "Failed", error=str(error), latency_ms=milliseconds(started))
        return part(
            ask,
            "Answered",
            answer=answer,
            latency_ms=milliseconds(started),
            tokens=tokens_of(reply),
            cost_usd=cost,
        )

    async def _judged(
        self, question: _Question, judge: str, old: Candidate, new: Candidate
    ) -> Ruling | None:
        """What the judge says; None: there is nothing to compare."""
        seat, turn = self._voices.seat(judge), question.record.place
        if seat is None or turn is None or turn.turn > COMPARED_TURNS:
            return None
        if old.answer is None or new.answer is None or _same(old.answer, new.answer):
            return None
        motion = question.motion
        return await compare(
            self._payer,
            seat,
            motion.config,
            motion.scene,
            motion.trace.header,
            {OLD: old.answer, NEW: new.answer},
            question.record.id,
            float(question.table.timeout_seconds),
        )

    async def _keep(self, question: _Question, entry: ShadowEntry) -> None:
        turn = question.record.place
        if entry.preference is None or turn is None or turn.turn > COMPARED_TURNS:
            return
        if not compared(question.session, question.table):
            return
        try:
            await self._sessions.post(question.session.id, preferred(turn.turn, entry.preference))
        except (UnknownSessionError, SessionDeletedError):
            return  # it is gone, and with it what it would have counted as

    def _count(self, result: str) -> None:
        self._metrics.shadows.labels(result).inc()


def preference(old: Candidate, new: Candidate, ruling: Ruling | None) -> float | None:
    """How far the new answer is preferred, 0 to 1; None: nobody knows.

    Who has an answer wins over who has none. An old revision that was not asked is held against
    nothing.
    """
    if old.state not in ("Answered", "Failed"):
        return None
    if old.answer is None or new.answer is None:
        return 0.5 if old.answer == new.answer else float(old.answer is None)
    if _same(old.answer, new.answer):
        return 0.5
    if ruling is None or ruling.pick is None:
        return None
    return float(ruling.pick == NEW)


def _same(one: str, other: str) -> bool:
    return canonical(one) == canonical(other)
