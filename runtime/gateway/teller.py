"""How a decision goes: session, place, members in parallel, vote, log, turn, answer."""

import asyncio
import itertools
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from crds.gateway import DEFAULT_FALLBACK, GatewayConfig
from crds.routes import RouteTable
from runtime.audit import DecisionLog, Record
from runtime.audit.record import Counting
from runtime.audit.replay import count, rules_of
from runtime.consensus import runs_to_completion
from runtime.consensus.learned import Weights
from runtime.gateway.admission import Admission
from runtime.gateway.following import Following
from runtime.gateway.meaning import Meaning
from runtime.gateway.metrics import Metrics
from runtime.gateway.notes import Notes
from runtime.gateway.poll import Ask, poll
from runtime.gateway.prompt import RECENT_TURNS, Scene, build
from runtime.gateway.ruling import drafting, rule
from runtime.gateway.sessions import Session, Sessions, now
from runtime.gateway.tracing import Trace
from runtime.gateway.voices import Seat, Voices

log = structlog.get_logger(__name__)

#: What weights are learned for: all questions of an ensemble are one task.
_TASK = "decisions"


class UnknownSessionError(Exception):
    """No session has that id."""


class KeyReusedError(Exception):
    """The idempotency key of this session stands for another question."""


class NotConfiguredError(Exception):
    """The operator has not said yet who this gateway is."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a game asks."""

    text: str
    options: tuple[str, ...] | None
    context: str | Mapping[str, Any] | None

    def equals(self, record: Record) -> bool:
        """Whether a record answers this very question."""
        options = list(self.options) if self.options else None
        return (self.text, options, self.context) == (
            record.question,
            record.options,
            record.context,
        )


class Teller:
    """Makes decisions."""

    def __init__(
        self,
        following: Following,
        voices: Voices,
        sessions: Sessions,
        notes: Notes,
        decisions: DecisionLog,
        admission: Admission,
        metrics: Metrics,
        meaning: Meaning,
        learned: Weights,
    ) -> None:
        self._following = following
        self._voices = voices
        self._sessions = sessions
        self._notes = notes
        self._decisions = decisions
        self._admission = admission
        self._metrics = metrics
        self._meaning = meaning
        self._learned = learned
        #: Where the seed of each decision comes from.
        self.draw: Callable[[], str] = lambda: secrets.token_hex(8)
        self._turn = itertools.count(len(decisions))
        self._under_way: dict[tuple[str, str], tuple[Question, asyncio.Task[Record]]] = {}

    async def decide(
        self, session: str, question: Question, trace: Trace, idempotency_key: str | None
    ) -> Record:
        """The logged decision. The same key gives the same decision, also while it is being made.

        Raises:
            UnknownSessionError, KeyReusedError, NotConfiguredError
            OverloadedError: no place came free in time.
            OSError, sqlite3.Error, BacklogFullError: the volume refused; no decision was made.
        """
        if idempotency_key is None:
            return await self._fresh(session, question, trace, None)
        key = (session, idempotency_key)
        if key not in self._under_way:
            task = asyncio.create_task(self._once(session, question, trace, idempotency_key))
            self._under_way[key] = question, task
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        asked, task = self._under_way[key]
        record = await asyncio.shield(task)
        if asked != question or not question.equals(record):
            raise KeyReusedError(idempotency_key)
        return record

    async def _once(
        self, session: str, question: Question, trace: Trace, idempotency_key: str
    ) -> Record:
        owed = self._notes.owed(session, idempotency_key)
        if owed is not None:
            return owed
        decision = await self._sessions.decided(session, idempotency_key)
        record = None if decision is None else await self._decisions.get(decision)
        return record or await self._fresh(session, question, trace, idempotency_key)

    async def _fresh(
        self, session_id: str, question: Question, trace: Trace, idempotency_key: str | None
    ) -> Record:
        session = await self._sessions.get(session_id)
        if session is None:
            raise UnknownSessionError(session_id)
        config, table = self._following.config, self._following.routes
        if config is None:
            raise NotConfiguredError
        self._notes.check()
        started = time.monotonic()
        patience = table.timeout_seconds if table else 1
        async with self._admission.place(patience):
            left = max(1.0, patience - (time.monotonic() - started))
            draft = await self._draft(config, table, session, question, trace, left)
            record = await self._decisions.append(
                draft.model_copy(
                    update={
                        "latency_ms": round((time.monotonic() - started) * 1000),
                        "idempotency_key": idempotency_key,
                    }
                )
            )
            await self._notes.note(record)
        self._told(record, trace, time.monotonic() - started)
        return record

    async def _draft(
        self,
        config: GatewayConfig,
        table: RouteTable | None,
        session: Session,
        question: Question,
        trace: Trace,
        patience: float,
    ) -> Record:
        asked_at = now()
        counting = _counting(table)
        scene = Scene(
            question=question.text,
            options=question.options,
            player=session.player,
            session_context=session.context,
            context=question.context,
            turns=await self._sessions.recent(session.id, RECENT_TURNS),
        )
        seats = self._voices.seats
        weights = self._weights(seats, counting, question)
        asks = []
        for seat in seats:
            prompt = build(config, seat.route, scene, trace.header)
            asks.append(Ask(seat, weights[seat.route.member], prompt, prompt.digest))
        rules, seed = rules_of(counting, question.options), self.draw()
        complete = rules.teaches and runs_to_completion(seed)
        started = time.monotonic()
        candidates = await poll(
            asks,
            rules,
            drafting(rules, patience),
            complete=complete,
            group=self._meaning.group if rules.compares_texts else None,
        )
        ruling = await rule(
            table.judge if table else None,
            seats,
            config,
            scene,
            trace.header,
            candidates,
            rules,
            seed,
            patience - (time.monotonic() - started),
        )
        line = self._fallback_line(config.fallback_lines)
        return Record(
            time=asked_at,
            storyteller=config.storyteller,
            world=config.world,
            session=session.id,
            player=session.player,
            question=question.text,
            options=list(question.options) if question.options else None,
            context=question.context if question.context is None else _plain(question.context),
            candidates=candidates,
            counting=counting,
            ruling=ruling,
            seed=seed,
            complete=complete,
            fallback_line=line,
            result=count(candidates, counting, question.options, line, ruling),
            latency_ms=0,
            routes_generation=table.generation if table else 0,
            config_generation=config.generation,
            trace_id=trace.trace_id,
        )

    def _weights(
        self, seats: Sequence[Seat], counting: Counting, question: Question
    ) -> dict[str, int]:
        """What each vote counts, declared or learned. It goes into the candidates, so that counting
        them again needs nothing that is learned later."""
        declared = {seat.route.member: seat.route.weight for seat in seats}
        if counting.method != "LogOdds" or question.options is None:
            return declared
        return self._learned.weights_for(_TASK, len(question.options), declared)

    def _fallback_line(self, lines: Sequence[str]) -> str:
        lines = lines or DEFAULT_FALLBACK
        return lines[next(self._turn) % len(lines)]

    def _told(self, record: Record, trace: Trace, seconds: float) -> None:
        self._metrics.decisions.labels(record.result.outcome).inc()
        self._metrics.decision_seconds.observe(seconds, {"trace_id": trace.trace_id})
        log.info(
            "decided",
            decision=record.id,
            session=record.session,
            trace=trace.trace_id,
            outcome=record.result.outcome,
            confidence=record.result.confidence,
            answered=[c.member for c in record.candidates if c.state == "Answered"],
            failed=[c.member for c in record.candidates if c.state in ("Failed", "Skipped")],
            latency_ms=record.latency_ms,
        )


def _counting(table: RouteTable | None) -> Counting:
    if table is None:
        return Counting(minimum_votes=1, when_no_quorum="Fallback")
    return Counting(
        method=table.method,
        minimum_votes=table.minimum_votes,
        when_no_quorum=table.when_no_quorum,
        minimum_confidence_percent=table.minimum_confidence_percent,
        prose=table.prose,
    )


def _plain(context: str | Mapping[str, Any]) -> str | dict[str, Any]:
    return context if isinstance(context, str) else dict(context)
