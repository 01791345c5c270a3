"""How a decision goes: claim on the turn, place, members in parallel, vote, log, turn, answer."""

import asyncio
import itertools
import secrets
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import structlog

from crds.gateway import DEFAULT_FALLBACK, GatewayConfig
from crds.routes import RouteTable
from runtime.audit import DecisionLog, Record
from runtime.audit.record import Counting, Said
from runtime.audit.replay import count, explained, rules_of
from runtime.consensus import runs_to_completion
from runtime.consensus.evidence import DEFAULT_TASK
from runtime.consensus.learned import Weights
from runtime.engines import Prompt
from runtime.gateway.following import Following
from runtime.gateway.guards import Guards, NotConfiguredError
from runtime.gateway.members.voices import Seat, Voices
from runtime.gateway.metrics import Metrics
from runtime.gateway.peers import Peers
from runtime.gateway.story.admission import Admission
from runtime.gateway.story.audience import Audience
from runtime.gateway.story.meaning import Meaning
from runtime.gateway.story.paying import Payer, Tariff, within_caps
from runtime.gateway.story.poll import Ask, Watch, poll, unwatched
from runtime.gateway.story.prompt import Scene, draft
from runtime.gateway.story.recall import Answered, Lookup, Recall, key_of
from runtime.gateway.story.ruling import drafting, rule
from runtime.gateway.story.summaries import Chronicle
from runtime.limits.visits import Visit
from runtime.sessions import (
    Claim,
    Decided,
    SessionDeletedError,
    SessionStore,
    StoreUnavailableError,
    Turn,
    TurnLostError,
    TurnUnderWayError,
    UnknownSessionError,
    now,
)
from runtime.sessions.chapters import cast_of, place_of, price, untold
from runtime.sessions.tokens import at_most
from runtime.tracing import Trace

log = structlog.get_logger(__name__)

#: How long a claim on a turn lasts unless it is held on to, and how often it is: so long does a
#: gateway that is killed keep a session from being told elsewhere.
LEASE_SECONDS = 6.0
HOLD_SECONDS = LEASE_SECONDS / 4
#: Records of a list that are read at the same time.
_READ_AT_ONCE = 8


class KeyReusedError(Exception):
    """The idempotency key of this session stands for another question."""


class RecordElsewhereError(Exception):
    """The decision was made, and the replica whose log has it does not answer."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a game asks."""

    text: str
    options: tuple[str, ...] | None
    context: str | Mapping[str, Any] | None
    #: What kind of question it is, for what is learned by task.
    task: str | None = None
    #: It wants a new answer, whatever was answered before.
    fresh: bool = field(default=False, compare=False)

    def equals(self, record: Record) -> bool:
        """Whether a record answers this very question."""
        options = list(self.options) if self.options else None
        return (self.text, options, self.context, self.task) == (
            record.question,
            record.options,
            record.context,
            record.task,
        )


@dataclass(frozen=True, slots=True)
class _UnderWay:
    question: Question
    task: asyncio.Task[Record]
    audience: Audience


class Teller:
    """Makes decisions."""

    def __init__(
        self,
        following: Following,
        voices: Voices,
        sessions: SessionStore,
        chronicle: Chronicle,
        peers: Peers,
        decisions: DecisionLog,
        admission: Admission,
        recall: Recall,
        metrics: Metrics,
        meaning: Meaning,
        learned: Weights,
        guards: Guards,
        tariff: Tariff,
    ) -> None:
        self._guards = guards
        self._tariff = tariff
        self._following = following
        self._voices = voices
        self._sessions = sessions
        self._chronicle = chronicle
        self._peers = peers
        self._decisions = decisions
        self._admission = admission
        self._recall = recall
        self._metrics = metrics
        self._meaning = meaning
        self._learned = learned
        #: Where the seed of each decision comes from.
        self.draw: Callable[[], str] = lambda: secrets.token_hex(8)
        self._turn = itertools.count(len(decisions))
        self._under_way: dict[tuple[str, str], _UnderWay] = {}

    async def decide(
        self,
        session: str,
        question: Question,
        trace: Trace,
        visit: Visit,
        idempotency_key: str | None,
        *,
        watch: Watch = unwatched,
        patience: float | None = None,
    ) -> Record:
        """The logged decision. The same key gives the same decision, also while it is being made,
        and it is counted and paid for once.

        Cancelling it stops the members and leaves no trace, unless it was being logged, which is
        finished first, or has a key, under which it goes on.

        Args:
            session: its id.
            question: what is asked.
            trace: what it belongs to.
            visit: who asks.
            idempotency_key: names the question within the session.
            watch: hears of each candidate as it becomes known, from now on.
            patience: seconds that it may take, if that is less than the ensemble has.

        Raises:
            UnknownSessionError, SessionDeletedError, KeyReusedError, NotConfiguredError
            RateLimitedError: the player or the key asks too often.
            LedgerAwayError: nobody can say whether there is money.
            TurnUnderWayError: another turn of the session is being told.
            TurnLostError: this turn took so long that another one took its place.
            OverloadedError: no place came free in time.
            StoreUnavailableError: the session store does not answer.
            RecordElsewhereError: the decision under this key cannot be read now.
            OSError, sqlite3.Error, BacklogFullError: the volume refused; no decision was made.
        """
        if idempotency_key is None:
            return await self._next(session, question, trace, visit, None, watch, patience)
        key = (session, idempotency_key)
        if key not in self._under_way:
            audience = Audience()
            task = asyncio.create_task(
                self._next(
                    session, question, trace, visit, idempotency_key, audience.hear, patience
                )
            )
            self._under_way[key] = _UnderWay(question, task, audience)
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        begun = self._under_way[key]
        if begun.question == question:
            with begun.audience.joined_by(watch):
                record = await asyncio.shield(begun.task)
            if question.equals(record):
                return record
        await self._guards.count(visit)
        raise KeyReusedError(idempotency_key)

    async def complete(self, draft: Record, trace: Trace, seconds: float) -> Record:
        """Log a decision that belongs to no session.

        Raises:
            OSError, BacklogFullError: the volume refused; it is not logged.
        """
        record = await uncut(self._decisions.append(draft))
        self._told(record, trace, seconds)
        return record

    async def record(
        self, decision: str, visit: Visit, session: str | None = None
    ) -> Record | None:
        """The record of a decision, from this gateway's log, the session store, or a peer's log;
        ``session`` is the one that is asked in, whose decisions whoever may decide may know."""
        found = await self._decisions.get(decision)
        if found is None and self._sessions.trouble is None:
            with suppress(StoreUnavailableError):
                found = await self._sessions.record(decision)
        return found or await self._peers.find(decision, visit.credential, session)

    async def records(
        self, decisions: Sequence[str], visit: Visit, session: str | None = None
    ) -> list[Record]:
        """The records of these decisions that can be read now, in the same order."""
        places = asyncio.Semaphore(_READ_AT_ONCE)

        async def read(decision: str) -> Record | None:
            async with places:
                return await self.record(decision, visit, session)

        found = await asyncio.gather(*(read(each) for each in decisions))
        return [record for record in found if record is not None]

    async def _next(
        self,
        session: str,
        question: Question,
        trace: Trace,
        visit: Visit,
        idempotency_key: str | None,
        watch: Watch,
        patience: float | None,
    ) -> Record:
        config, table = self._following.config, self._following.routes
        if config is None:
            raise NotConfiguredError
        since = time.monotonic()
        if idempotency_key is None:
            self._guards.check(visit)
        begun = await self._begin(session, idempotency_key, visit)
        if isinstance(begun, Decided):
            return await self._decided(begun, visit, session)
        holding = asyncio.create_task(self._hold(begun))
        try:
            return await self._tell(
                config,
                table,
                begun,
                since,
                question,
                trace,
                visit,
                idempotency_key,
                watch,
                patience,
            )
        except BaseException:
            await asyncio.shield(self._give_back(begun))
            raise
        finally:
            holding.cancel()

    async def _begin(self, session: str, key: str | None, visit: Visit) -> Claim | Decided:
        """The claim on the next turn, or the decision under the key, which is counted no second
        time. What comes to nothing is counted too: so often may a caller ask in vain."""
        try:
            return await self._sessions.begin(session, key, LEASE_SECONDS)
        except (UnknownSessionError, SessionDeletedError, TurnUnderWayError):
            await self._guards.count(visit)
            raise

    async def _decided(self, decided: Decided, visit: Visit, session: str) -> Record:
        record = decided.record or await self.record(decided.decision, visit, session)
        if record is None:
            raise RecordElsewhereError(decided.decision)
        return record

    async def _hold(self, claim: Claim) -> None:
        with suppress(TurnLostError):
            while True:
                await asyncio.sleep(HOLD_SECONDS)
                try:
                    await self._sessions.confirm(claim, LEASE_SECONDS)
                except StoreUnavailableError as error:
                    log.warning("claim_not_held", session=claim.session.id, reason=str(error))

    async def _give_back(self, claim: Claim) -> None:
        try:
            await self._sessions.release(claim)
        except StoreUnavailableError as error:
            log.warning("claim_not_released", session=claim.session.id, reason=str(error))

    async def _tell(
        self,
        config: GatewayConfig,
        table: RouteTable | None,
        claim: Claim,
        since: float,
        question: Question,
        trace: Trace,
        visit: Visit,
        idempotency_key: str | None,
        watch: Watch,
        patience: float | None,
    ) -> Record:
        session = claim.session
        await self._guards.count(visit, session.player or f"session {session.id}")
        started = time.monotonic()
        allowed = float(table.timeout_seconds if table else 1)
        allowed = allowed if patience is None else min(allowed, patience)
        async with self._admission.place(allowed), self._recall.lookup() as lookup:
            left = max(min(1.0, allowed), allowed - (time.monotonic() - started))
            draft, space = await self._draft(
                config, table, claim, question, trace, visit, lookup, left, watch
            )
            if time.monotonic() - since > HOLD_SECONDS:  # sooner it cannot have ended
                await self._sessions.confirm(claim, LEASE_SECONDS)
            draft = draft.model_copy(
                update={
                    "latency_ms": round((time.monotonic() - started) * 1000),
                    "idempotency_key": idempotency_key,
                }
            )
            record = await uncut(self._keep(claim, draft, lookup))
        self._told(record, trace, time.monotonic() - started)
        self._summarise(config, claim, record, space)
        return record

    async def _keep(self, claim: Claim, draft: Record, lookup: Lookup) -> Record:
        record = await self._decisions.append(draft)
        await self._sessions.finish(claim, record)
        lookup.keep(record)  # of a session that is still there
        return record

    def _summarise(self, config: GatewayConfig, claim: Claim, record: Record, space: int) -> None:
        """Have the older turns retold, before the window is full."""
        if config.sessions.handover != "Summarize" or record.place is None:
            return
        tale = untold(claim.turns, claim.session.summary)
        last = Turn(claim.number, record.question, record.result.decision)
        if tale and sum(price(turn, at_most) for turn in (*tale, last)) > space // 2:
            seats = self._voices.cast()
            self._chronicle.write(claim.session.id, config, seats, claim.session.summary, tale)

    async def _draft(
        self,
        config: GatewayConfig,
        table: RouteTable | None,
        claim: Claim,
        question: Question,
        trace: Trace,
        visit: Visit,
        lookup: Lookup,
        patience: float,
        watch: Watch,
    ) -> tuple[Record, int]:
        """The decision before it is logged, and the tokens that turns had in its prompts."""
        asked_at, deadline = now(), time.monotonic() + patience
        counting = _counting(table)
        session, seats = claim.session, self._voices.cast()
        scene = Scene(
            question=question.text,
            options=question.options,
            player=session.player,
            session_context=session.context,
            context=question.context,
            facts=claim.facts,
        )
        drafts = [draft(config, seat.route, scene, trace.header) for seat in seats]
        space = min((each.room for each in drafts), default=config.sessions.context_tokens)
        policy = config.sessions.handover
        cast = cast_of([seat.route for seat in self._voices.seats])
        place = place_of(claim, cast, space, at_most, policy)
        scene = replace(
            scene,
            turns=[turn for turn in claim.turns if turn.number >= place.first_turn],
            summary=session.summary if policy == "Summarize" else None,
        )
        prompts = [each.prompt(scene.summary, scene.turns) for each in drafts]
        asks = self._asks(seats, prompts, counting, scene.options, question.task)
        judge = table.judge if table else None
        found = await lookup.find(
            config.cache,
            question.text,
            lambda: key_of(config, scene, asks, counting, judge),
            patience,
            fresh=question.fresh,
        )
        if found is not None:
            answered = found.kept.answered
        else:
            left = deadline - time.monotonic()
            answered = await self._ask(
                self.payer(visit), asks, judge, counting, config, scene, trace, left, watch
            )
        line = self.fallback_line(config)
        result = count(answered.candidates, counting, question.options, line, answered.ruling)
        rules = rules_of(counting, question.options)
        record = Record(
            time=asked_at,
            namespace=config.namespace,
            storyteller=config.storyteller,
            world=config.world,
            ensemble=table.ensemble if table else None,
            session=session.id,
            place=place,
            player=session.player,
            question=question.text,
            options=list(question.options) if question.options else None,
            task=question.task,
            context=question.context if question.context is None else _plain(question.context),
            told=told(asks[0].prompt) if asks else None,
            candidates=explained(answered.candidates, result, rules),
            counting=counting,
            ruling=answered.ruling,
            seed=answered.seed,
            complete=answered.complete and found is None,
            cached_from=found.kept.decision if found else None,
            similarity=found.similarity if found else None,
            fallback_line=line,
            result=result,
            latency_ms=0,
            routes_generation=table.generation if table else 0,
            config_generation=config.generation,
            trace_id=trace.trace_id,
            actor=visit.caller.key,
        )
        return record, space

    async def ask(
        self,
        config: GatewayConfig,
        table: RouteTable | None,
        seats: Sequence[Seat],
        prompts: Sequence[Prompt],
        scene: Scene,
        trace: Trace,
        visit: Visit,
        patience: float,
    ) -> dict[str, Any]:
        """Ask each seat its prompt, and count: the fields of a record that come of it.

        Args:
            config: who is asked for.
            table: how it is counted.
            seats: who is asked.
            prompts: what, in the same order.
            scene: what the prompts are about, for whoever rules on the texts.
            trace: what it belongs to.
            visit: who pays.
            patience: seconds.
        """
        counting = _counting(table)
        asks = self._asks(seats, prompts, counting, scene.options)
        judge = table.judge if table else None
        answered = await self._ask(
            self.payer(visit), asks, judge, counting, config, scene, trace, patience
        )
        line = self.fallback_line(config)
        result = count(answered.candidates, counting, scene.options, line, answered.ruling)
        rules = rules_of(counting, scene.options)
        return {
            "ensemble": table.ensemble if table else None,
            "told": told(asks[0].prompt) if asks else None,
            "candidates": explained(answered.candidates, result, rules),
            "counting": counting,
            "ruling": answered.ruling,
            "seed": answered.seed,
            "complete": answered.complete,
            "fallback_line": line,
            "result": result,
        }

    async def _ask(
        self,
        payer: Payer,
        asks: Sequence[Ask],
        judge: str | None,
        counting: Counting,
        config: GatewayConfig,
        scene: Scene,
        trace: Trace,
        patience: float,
        watch: Watch = unwatched,
    ) -> Answered:
        rules, seed = rules_of(counting, scene.options), self.draw()
        complete = rules.teaches and runs_to_completion(seed)
        deadline = time.monotonic() + patience
        ask = partial(
            poll,
            rules=rules,
            patience=drafting(rules, patience),
            payer=payer,
            watch=watch,
            complete=complete,
            group=self._meaning.group if rules.compares_texts else None,
        )
        candidates = await within_caps(payer, asks, patience, ask)
        ruling = await rule(
            payer,
            judge,
            [each.seat for each in asks],
            config,
            scene,
            trace.header,
            candidates,
            rules,
            seed,
            deadline - time.monotonic(),
        )
        return Answered(candidates, ruling, seed, complete)

    def _asks(
        self,
        seats: Sequence[Seat],
        prompts: Sequence[Prompt],
        counting: Counting,
        options: Sequence[str] | None,
        task: str | None = None,
    ) -> list[Ask]:
        weights = self._weights(seats, counting, options, task)
        return [
            Ask(seat, weights[seat.route.member], prompt, prompt.digest)
            for seat, prompt in zip(seats, prompts, strict=True)
        ]

    def _weights(
        self,
        seats: Sequence[Seat],
        counting: Counting,
        options: Sequence[str] | None,
        task: str | None,
    ) -> dict[str, int]:
        """What each vote counts, declared or learned. It goes into the candidates, so that counting
        them again needs nothing that is learned later."""
        declared = {seat.route.member: seat.route.weight for seat in seats}
        if counting.method != "LogOdds" or options is None:
            return declared
        return self._learned.weights_for(task or DEFAULT_TASK, len(options), declared)

    def payer(self, visit: Visit) -> Payer:
        """Who pays for what a visitor asks."""
        return Payer(self._guards, self._tariff, visit)

    def fallback_line(self, config: GatewayConfig) -> str:
        """The next of the declared lines, in turn."""
        lines = config.fallback_lines or DEFAULT_FALLBACK
        return lines[next(self._turn) % len(lines)]

    def _told(self, record: Record, trace: Trace, seconds: float) -> None:
        self._metrics.decisions.labels(record.result.outcome).inc()
        self._metrics.decision_seconds.observe(seconds, {"trace_id": trace.trace_id})
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


def told(prompt: Prompt) -> list[Said]:
    """What a member was told beside the system's words."""
    return [Said(role=said.role, content=said.content) for said in prompt.turns]


async def uncut(work: Coroutine[Any, Any, Record]) -> Record:
    """Finish it, also when who waits for it is cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


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
