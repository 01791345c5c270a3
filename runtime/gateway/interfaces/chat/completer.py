"""How a completion goes: a place, the ensemble or one member, the log, the answer. It belongs to no
session: the client sends the whole conversation each time."""

import asyncio
import secrets
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from crds.gateway import GatewayConfig
from runtime.audit import Candidate, Record
from runtime.audit.record import Counting, CutBy
from runtime.audit.replay import count, explained, rules_of
from runtime.engines import Chunk, EngineError, Message, Prompt
from runtime.gateway.gateway import Gateway
from runtime.gateway.guards import NotConfiguredError
from runtime.gateway.interfaces.chat.completion import Completed
from runtime.gateway.interfaces.chat.errors import UnsupportedError
from runtime.gateway.interfaces.chat.request import ChatRequest, Choice, choice_of
from runtime.gateway.interfaces.problems import UnknownModelError
from runtime.gateway.members.voices import Seat
from runtime.gateway.story.arms import assigned, in_canary, recorded
from runtime.gateway.story.asking import Asking
from runtime.gateway.story.council import Motion, told
from runtime.gateway.story.poll import Ask, candidate_of
from runtime.gateway.story.prompt import Scene, converse
from runtime.gateway.story.records import uncut
from runtime.groupcommit import BacklogFullError
from runtime.limits.visits import Visit
from runtime.sessions import now
from runtime.tracing import Trace

log = structlog.get_logger(__name__)

#: How one member alone is counted.
_ALONE = Counting(minimum_votes=1, when_no_quorum="BestMember")
#: Failures with which the gateway, not the member, ended an answer.
_OUT_OF_TIME = ("Timeout", "Stalled", "NotReady")


@dataclass(frozen=True, slots=True)
class Model:
    """Who can be asked. ``seat`` is None for the storyteller, behind whom all of them stand."""

    name: str
    owner: str
    seat: Seat | None = None


def models(gateway: Gateway) -> dict[str, Model]:
    """The storyteller and its members.

    Raises:
        NotConfiguredError: nobody knows yet who they are.
    """
    config = gateway.following.config
    if config is None:
        raise NotConfiguredError
    members = {
        seat.route.member: Model(seat.route.member, seat.route.engine, seat)
        for seat in gateway.voices.seats
    }
    # A member that has the storyteller's name is asked as the storyteller.
    return {**members, config.storyteller: Model(config.storyteller, "fabula")}


def model_of(gateway: Gateway, name: str) -> Model:
    """Who has that name.

    Raises:
        UnknownModelError, NotConfiguredError
    """
    known = models(gateway)
    if name not in known:
        raise UnknownModelError(name, sorted(known))
    return known[name]


async def complete(
    gateway: Gateway,
    asked: ChatRequest,
    trace: Trace,
    visit: Visit,
    hear: Callable[[Chunk], None] | None = None,
    *,
    tester: str | None = None,
) -> Completed:
    """The recorded completion. Cancelling it stops who is asked.

    Args:
        gateway: whose models.
        asked: the request.
        trace: what it belongs to.
        visit: who asks.
        hear: called with each piece of one member's answer as it comes. The storyteller's is told
            when it is decided.
        tester: whom the caller says to be one.

    Raises:
        UnknownModelError, NotConfiguredError
        UnsupportedError: the storyteller cannot vote on that schema.
        RateLimitedError: the player or the key asks too often.
        UnpricedError, BudgetExhaustedError: there is no money for that member.
        LedgerAwayError: nobody can say whether there is.
        EngineError: the member gave no answer.
        OverloadedError: no place came free in time.
        OSError, BacklogFullError: the volume refused; there is no completion.
    """
    model, table = model_of(gateway, asked.model), gateway.following.routes
    # Without a session nothing is kept: a player has the same arm each time, anybody else any.
    arm = assigned(asked.user or secrets.token_hex(8), table, tester, asked.user)
    canary = in_canary(arm, table)
    choice = _choice(asked) if model.seat is None else None
    patience = float(table.timeout_seconds if table else 1)
    if model.seat is not None:
        patience = min(patience, float(model.seat.route.timeout_seconds))
    await gateway.guards.count(visit, asked.user)
    asked_at, started = now(), time.monotonic()

    async def keep(verdict: Mapping[str, Any]) -> Record:
        seconds = time.monotonic() - started
        found = {**verdict, "actor": visit.caller.key, **recorded(arm, table)}
        draft = _draft(gateway, asked, choice, trace, found, asked_at, seconds)
        record = await uncut(gateway.records.log(draft))
        gateway.records.tell_of(record, trace, seconds)
        return record

    async with gateway.admission.place(patience):
        left = max(1.0, patience - (time.monotonic() - started))
        if model.seat is None:
            answer = await _by_all(gateway, asked, choice, trace, visit, left, canary)
        else:
            seat = gateway.voices.seat(asked.model, canary=canary) or model.seat
            answer = await _by_one(gateway, seat, asked, trace, visit, left, hear, keep)
        record = await keep(answer.verdict)
    content = answer.content or record.result.decision
    return Completed(
        record,
        choice.answer(content) if choice else content,
        "length" if answer.clipped else "stop",
    )


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came of asking: fields of the record. ``content`` is None where the result says it."""

    verdict: Mapping[str, Any]
    content: str | None = None
    clipped: bool = False


def _choice(asked: ChatRequest) -> Choice | None:
    if asked.json_schema is None:
        return None
    choice = choice_of(asked.json_schema)
    if choice is None:
        raise UnsupportedError(
            "response_format",
            "the storyteller votes on a schema with one property that has an enum of 2 to 20 "
            "texts; use such a one, or ask a member by its name for any other",
        )
    return choice


def _draft(
    gateway: Gateway,
    asked: ChatRequest,
    choice: Choice | None,
    trace: Trace,
    verdict: Mapping[str, Any],
    asked_at: str,
    seconds: float,
) -> Record:
    config, table = _config(gateway), gateway.following.routes
    *before, last = asked.said
    return Record(
        time=asked_at,
        namespace=config.namespace,
        storyteller=config.storyteller,
        world=config.world,
        model=asked.model,
        player=asked.user,
        question=last.content,
        options=list(choice.options) if choice else None,
        context={"messages": [_told(each) for each in before]} if before else None,
        latency_ms=round(seconds * 1000),
        routes_generation=table.generation if table else 0,
        config_generation=config.generation,
        trace_id=trace.trace_id,
        **verdict,
    )


async def _by_all(
    gateway: Gateway,
    asked: ChatRequest,
    choice: Choice | None,
    trace: Trace,
    visit: Visit,
    patience: float,
    canary: bool,
) -> _Answer:
    config, seats = _config(gateway), gateway.voices.cast(canary=canary)
    options = choice.options if choice else None
    prompts = [
        converse(
            config,
            seat.route,
            asked.said,
            asked.sampling(seat.route.sampling),
            options=options,
            stop=asked.stops,
            traceparent=trace.header,
        )
        for seat in seats
    ]
    *before, last = asked.said
    # For whoever rules on the texts: the conversation as a tale.
    scene = Scene(
        question=last.content,
        options=options,
        context="\n".join(each.content for each in before) or None,
    )
    motion = Motion(config, gateway.following.routes, scene, trace, visit)
    council = gateway.council
    asks = council.asks(motion, seats, prompts)
    return _Answer(council.counted(motion, asks, await council.answers(motion, asks, patience)))


async def _by_one(
    gateway: Gateway,
    seat: Seat,
    asked: ChatRequest,
    trace: Trace,
    visit: Visit,
    patience: float,
    hear: Callable[[Chunk], None] | None,
    keep: Callable[[Mapping[str, Any]], Awaitable[Record]],
) -> _Answer:
    """``keep`` records an answer that does not come to its end, with what was said of it."""
    out = seat.member.unavailable()
    if out is not None:
        raise EngineError("NotReady", f"member {seat.route.member} is out: {out}")
    prompt = Prompt(
        asked.said,
        asked.sampling(seat.route.sampling),
        json_schema=asked.json_schema,
        stop=asked.stops,
        traceparent=trace.header,
    )
    # Whatever it weighs among others, here it alone decides. Its words are left as they are.
    ask = Ask(seat, 1, prompt, prompt.digest)
    pieces: list[str] = []

    def listen(chunk: Chunk) -> None:
        pieces.append(chunk.text)
        if hear is not None:
            hear(chunk)

    payer = gateway.council.payer(visit)
    asking = Asking(seat, prompt, payer, listen if hear else None)
    try:
        async with payer.paying(seat.route, prompt, patience) as spending:
            await asking.run(patience)
            first = asking.attempts[0]
            payer.charge(spending, seat.route, first.state, first.error, first.cost_usd)
        reply = asking.reply()
    except (EngineError, asyncio.CancelledError) as error:
        if pieces:
            why, cut_by = _cut(error, stopping=gateway.draining)
            broken = {"state": "Failed", "partial": "".join(pieces), "error": why, "cut_by": cut_by}
            part = candidate_of(ask, asking).model_copy(update=broken)
            await _kept(keep(_alone(gateway, prompt, part)))
        raise
    part = candidate_of(ask, asking).model_copy(update={"answer": reply.text})
    return _Answer(_alone(gateway, prompt, part), reply.text, reply.clipped)


def _alone(gateway: Gateway, prompt: Prompt, part: Candidate) -> dict[str, Any]:
    """What one member's part comes to: fields of the record."""
    line = gateway.council.fallback_line(_config(gateway))
    table = gateway.following.routes
    result = count([part], _ALONE, None, line)
    return {
        "ensemble": table.ensemble if table else None,
        "told": told(prompt),
        "candidates": explained([part], result, rules_of(_ALONE, None)),
        "counting": _ALONE,
        "fallback_line": line,
        "result": result,
    }


def _cut(error: EngineError | asyncio.CancelledError, *, stopping: bool) -> tuple[str, CutBy]:
    """Why an answer ended in its middle, and who ended it."""
    if isinstance(error, EngineError):
        return str(error), "Gateway" if error.kind in _OUT_OF_TIME else "Member"
    if stopping:
        return "Stopped: the gateway is being stopped", "Gateway"
    return "Left: whoever asked went away", "Client"


async def _kept(record: Awaitable[Record]) -> None:
    """Record it if that can be done: what is told is the failure that led here."""
    try:
        await record
    except (OSError, sqlite3.Error, BacklogFullError) as error:
        log.error("not_recorded", reason=type(error).__name__)


def _config(gateway: Gateway) -> GatewayConfig:
    config = gateway.following.config
    if config is None:
        raise NotConfiguredError
    return config


def _told(message: Message) -> dict[str, str]:
    return {"role": message.role, "content": message.content}
