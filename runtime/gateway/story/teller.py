"""How a decision goes: claim on the turn, place, members in parallel, vote, log, turn, answer."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from crds.gateway import GatewayConfig
from crds.routes import RouteTable
from runtime.audit import Record
from runtime.gateway.following import Following
from runtime.gateway.guards import Guards, NotConfiguredError
from runtime.gateway.members.voices import Voices
from runtime.gateway.story.admission import Admission
from runtime.gateway.story.arms import enrolled, in_canary, recorded, told_by
from runtime.gateway.story.audience import Audience
from runtime.gateway.story.council import Council, Motion
from runtime.gateway.story.inquiry import Inquiry
from runtime.gateway.story.prompt import Scene, draft, prompts
from runtime.gateway.story.recall import Lookup, Recall, key_of
from runtime.gateway.story.records import RecordElsewhereError, Records, uncut
from runtime.gateway.story.shadows import Shadows
from runtime.gateway.story.summaries import Chronicle
from runtime.gateway.story.turns import Turns
from runtime.gateway.story.watching import counted, held, tried_out, windows
from runtime.sessions import (
    Claim,
    Decided,
    SessionDeletedError,
    SessionStore,
    Turn,
    TurnUnderWayError,
    UnknownSessionError,
    now,
)
from runtime.sessions.chapters import cast_of, from_turn, place_of, tokens_of, untold


class KeyReusedError(Exception):
    """The idempotency key of this session stands for another question."""


@dataclass(frozen=True, slots=True)
class _UnderWay:
    inquiry: Inquiry
    task: asyncio.Task[Record]
    audience: Audience


class Teller:
    """Makes decisions."""

    def __init__(
        self,
        following: Following,
        voices: Voices,
        council: Council,
        sessions: SessionStore,
        chronicle: Chronicle,
        records: Records,
        admission: Admission,
        recall: Recall,
        guards: Guards,
        shadows: Shadows,
    ) -> None:
        self._following = following
        self._voices = voices
        self._council = council
        self._sessions = sessions
        self._turns = Turns(sessions)
        self._chronicle = chronicle
        self._records = records
        self._admission = admission
        self._recall = recall
        self._guards = guards
        self._shadows = shadows
        self._under_way: dict[tuple[str, str], _UnderWay] = {}

    async def decide(self, inquiry: Inquiry) -> Record:
        """The logged decision. The same key gives the same decision, also while it is being made,
        and it is counted and paid for once.

        Cancelling it stops the members and leaves no trace, unless it was being logged, which is
        finished first, or has a key, under which it goes on.

        Raises:
            UnknownSessionError, SessionDeletedError, KeyReusedError, NotConfiguredError
            RateLimitedError: the player or the key asks too often.
            LedgerAwayError: nobody can say whether there is money.
            TurnUnderWayError: another turn of the session is being told.
            TurnLostError: this turn took so long that another one took its place.
            OverloadedError: there is no room, or no place came free in time.
            StoreUnavailableError: the session store does not answer.
            RecordElsewhereError: the decision under this key cannot be read now.
            OSError, sqlite3.Error, BacklogFullError: the volume refused; no decision was made.
        """
        if inquiry.key is None:
            return await self._next(inquiry)
        key = (inquiry.session, inquiry.key)
        if key not in self._under_way:
            audience = Audience()
            task = asyncio.create_task(self._next(replace(inquiry, watch=audience.hear)))
            self._under_way[key] = _UnderWay(inquiry, task, audience)
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        begun = self._under_way[key]
        if begun.inquiry.question == inquiry.question:
            with begun.audience.joined_by(inquiry.watch):
                record = await asyncio.shield(begun.task)
            if inquiry.question.equals(record):
                return record
        await self._guards.count(inquiry.visit)
        raise KeyReusedError(inquiry.key)

    async def _next(self, inquiry: Inquiry) -> Record:
        with self._admission.door():
            return await self._inside(inquiry)

    async def _inside(self, inquiry: Inquiry) -> Record:
        config, table = self._following.config, self._following.routes
        if config is None:
            raise NotConfiguredError
        since = time.monotonic()
        if inquiry.key is None:
            self._guards.check(inquiry.visit)
        begun = await self._begin(inquiry)
        if isinstance(begun, Decided):
            return await self._decided(begun, inquiry)
        async with self._turns.held(begun):
            return await self._tell(inquiry, config, table, begun, since)

    async def _begin(self, inquiry: Inquiry) -> Claim | Decided:
        """The claim on the next turn, or the decision under the key, which is counted no second
        time. What comes to nothing is counted too: so often may a caller ask in vain."""
        try:
            return await self._turns.begin(inquiry.session, inquiry.key)
        except (UnknownSessionError, SessionDeletedError, TurnUnderWayError):
            await self._guards.count(inquiry.visit)
            raise

    async def _decided(self, decided: Decided, inquiry: Inquiry) -> Record:
        record = decided.record or await self._records.find(
            decided.decision, inquiry.visit, inquiry.session
        )
        if record is None:
            raise RecordElsewhereError(decided.decision)
        return record

    async def _tell(
        self,
        inquiry: Inquiry,
        config: GatewayConfig,
        table: RouteTable | None,
        claim: Claim,
        since: float,
    ) -> Record:
        """Tell the claimed turn, a claim of ``since``."""
        session = claim.session
        config = told_by(session.id, config)
        await self._guards.count(inquiry.visit, session.player or f"session {session.id}")
        started = time.monotonic()
        allowed = float(table.timeout_seconds if table else 1)
        if inquiry.patience is not None:
            allowed = min(allowed, inquiry.patience)
        async with self._admission.place(allowed), self._recall.lookup() as lookup:
            left = max(min(1.0, allowed), allowed - (time.monotonic() - started))
            draft, motion, space = await self._draft(
                inquiry, config, table, claim, lookup, started, left
            )
            await self._turns.confirm(claim, time.monotonic() - since)
            record = await uncut(self._keep(claim, draft, lookup))
        seconds, tried = time.monotonic() - started, motion.held is not None
        self._records.tell_of(record, inquiry.trace, seconds, tried=tried)
        if record.arm == "Shadow" and table is not None:
            self._shadows.take(record, claim.session, motion, table)
        self._summarise(config, claim, record, space)
        return record

    async def _draft(
        self,
        inquiry: Inquiry,
        config: GatewayConfig,
        table: RouteTable | None,
        claim: Claim,
        lookup: Lookup,
        started: float,
        patience: float,
    ) -> tuple[Record, Motion, int]:
        """The decision before it is logged, what was put to the members, and the tokens that turns
        had in its prompts."""
        asked_at, deadline = now(), time.monotonic() + patience
        question, trace, session = inquiry.question, inquiry.trace, claim.session
        canary = in_canary(session.arm, table)
        seats = self._voices.cast(canary=canary)
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
        cast = cast_of(self._voices.routes(canary=canary))
        place = place_of(claim, cast, space, policy)
        scene = replace(
            scene,
            turns=from_turn(place.first_turn, claim.turns),
            summary=session.summary if policy == "Summarize" else None,
        )
        watched = windows(session, table, config.trials)
        split = tried_out(watched)
        motion = Motion(
            config,
            table,
            scene,
            trace,
            inquiry.visit,
            question.task,
            inquiry.watch,
            held(split) if split else None,
        )
        asks = self._council.asks(motion, seats, prompts(drafts, scene.summary, scene.turns))
        found = await lookup.find(
            config.cache,
            question.text,
            lambda: key_of(config, scene, asks, motion.counting, motion.judge),
            patience,
            fresh=question.fresh,
        )
        if found is not None:
            # It was waited for where it was asked, and teaches nothing a second time.
            answered = replace(found.kept.answered, complete=False)
        else:
            answered = await self._council.answers(motion, asks, deadline - time.monotonic())
        record = Record(
            time=asked_at,
            namespace=config.namespace,
            storyteller=config.storyteller,
            world=config.world,
            session=session.id,
            place=place,
            player=session.player,
            question=question.text,
            options=list(question.options) if question.options else None,
            task=question.task,
            context=question.context if question.context is None else _plain(question.context),
            **self._council.counted(motion, asks, answered),
            cached_from=found.kept.decision if found else None,
            similarity=found.similarity if found else None,
            latency_ms=round((time.monotonic() - started) * 1000),
            routes_generation=table.generation if table else 0,
            config_generation=config.generation,
            trace_id=trace.trace_id,
            idempotency_key=inquiry.key,
            actor=inquiry.visit.caller.key,
            watched=counted(() if found else answered.candidates, watched),
            experiments=enrolled(session.id, config.trials),
            **recorded(session.arm, table),
        )
        return record, motion, space

    async def _keep(self, claim: Claim, draft: Record, lookup: Lookup) -> Record:
        record = await self._records.log(draft)
        await self._sessions.finish(claim, record)
        lookup.keep(record)  # of a session that is still there
        return record

    def _summarise(self, config: GatewayConfig, claim: Claim, record: Record, space: int) -> None:
        """Have the older turns retold, before the window is full."""
        if config.sessions.handover != "Summarize" or record.place is None:
            return
        tale = untold(claim.turns, claim.session.summary)
        last = Turn(claim.number, record.question, record.result.decision)
        if tale and tokens_of(tale) + last.tokens > space // 2:
            seats = self._voices.cast(canary=in_canary(claim.session.arm, self._following.routes))
            self._chronicle.write(claim.session.id, config, seats, claim.session.summary, tale)


def _plain(context: str | Mapping[str, Any]) -> str | dict[str, Any]:
    return context if isinstance(context, str) else dict(context)
