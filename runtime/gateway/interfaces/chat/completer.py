"""How a completion goes: a place, the ensemble or one member, the log, the answer. It belongs to no
session: the client sends the whole conversation each time."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from crds.gateway import GatewayConfig
from runtime.audit import Record
from runtime.audit.record import Counting
from runtime.audit.replay import count, explained, rules_of
from runtime.engines import Chunk, EngineError, Message, Prompt
from runtime.gateway.gateway import Gateway
from runtime.gateway.guards import NotConfiguredError, Visit
from runtime.gateway.interfaces.chat.completion import Completed
from runtime.gateway.interfaces.chat.errors import UnsupportedError
from runtime.gateway.interfaces.chat.request import ChatRequest, Choice, choice_of
from runtime.gateway.interfaces.problems import UnknownModelError
from runtime.gateway.members.voices import Seat
from runtime.gateway.story.asking import Asking
from runtime.gateway.story.poll import Ask, candidate_of
from runtime.gateway.story.prompt import Scene, converse
from runtime.gateway.story.teller import told
from runtime.gateway.tracing import Trace
from runtime.sessions import now

#: How one member alone is counted.
_ALONE = Counting(minimum_votes=1, when_no_quorum="BestMember")


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
) -> Completed:
    """The recorded completion. Cancelling it stops who is asked.

    Args:
        gateway: whose models.
        asked: the request.
        trace: what it belongs to.
        visit: who asks.
        hear: called with each piece of one member's answer as it comes. The storyteller's is told
            when it is decided.

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
    choice = _choice(asked) if model.seat is None else None
    patience = float(table.timeout_seconds if table else 1)
    if model.seat is not None:
        patience = min(patience, float(model.seat.route.timeout_seconds))
    await gateway.guards.count(visit, asked.user)
    asked_at, started = now(), time.monotonic()
    async with gateway.admission.place(patience):
        left = max(1.0, patience - (time.monotonic() - started))
        if model.seat is None:
            answer = await _by_all(gateway, asked, choice, trace, visit, left)
        else:
            seat = gateway.voices.seat(asked.model) or model.seat
            answer = await _by_one(gateway, seat, asked, trace, visit, left, hear)
        seconds = time.monotonic() - started
        draft = _draft(gateway, asked, choice, trace, answer, asked_at, seconds)
        draft = draft.model_copy(update={"actor": visit.caller.key})
        record = await gateway.teller.complete(draft, trace, seconds)
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
    answer: _Answer,
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
        **answer.verdict,
    )


async def _by_all(
    gateway: Gateway,
    asked: ChatRequest,
    choice: Choice | None,
    trace: Trace,
    visit: Visit,
    patience: float,
) -> _Answer:
    config, seats = _config(gateway), gateway.voices.cast()
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
    table = gateway.following.routes
    return _Answer(
        await gateway.teller.ask(config, table, seats, prompts, scene, trace, visit, patience)
    )


async def _by_one(
    gateway: Gateway,
    seat: Seat,
    asked: ChatRequest,
    trace: Trace,
    visit: Visit,
    patience: float,
    hear: Callable[[Chunk], None] | None,
) -> _Answer:
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
    payer = gateway.teller.payer(visit)
    asking = Asking(seat, prompt, payer, hear)
    async with payer.paying(seat.route, prompt, patience) as spending:
        await asking.run(patience)
        first = asking.attempts[0]
        payer.charge(spending, seat.route, first.state, first.error, first.cost_usd)
    reply = asking.reply()
    # Whatever it weighs among others, here it alone decides. Its words are left as they are.
    alone = candidate_of(Ask(seat, 1, prompt, prompt.digest), asking)
    alone = alone.model_copy(update={"answer": reply.text})
    line = gateway.teller.fallback_line(_config(gateway))
    table = gateway.following.routes
    result = count([alone], _ALONE, None, line)
    verdict = {
        "ensemble": table.ensemble if table else None,
        "told": told(prompt),
        "candidates": explained([alone], result, rules_of(_ALONE, None)),
        "counting": _ALONE,
        "fallback_line": line,
        "result": result,
    }
    return _Answer(verdict, reply.text, reply.clipped)


def _config(gateway: Gateway) -> GatewayConfig:
    config = gateway.following.config
    if config is None:
        raise NotConfiguredError
    return config


def _told(message: Message) -> dict[str, str]:
    return {"role": message.role, "content": message.content}
