"""Asking the models of a recorded decision once more, as far as that can be done. They are the same
models only as far as they say so, and answer the same only as far as they do; what differs is said.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import aiohttp

from crds.gateway import GatewayConfig
from crds.routes import Route, RouteTable
from runtime.audit import Candidate, Record
from runtime.audit.record import Result
from runtime.audit.replay import count
from runtime.consensus import canonical
from runtime.engines import Engine, EngineError, Message, Prompt, collect, engine_for
from runtime.engines.base import Role
from runtime.gateway.members.words import accept
from runtime.gateway.story.prompt import Scene, build


@dataclass(frozen=True, slots=True)
class Again:
    """One member, then and now."""

    then: Candidate
    #: What it said now. None: nothing, or it was not asked.
    now: Candidate | None
    #: What is not as it was then, in words.
    differs: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether it gave the same answer, or none both times."""
        return _form(self.then) == (None if self.now is None else _form(self.now))


async def ask_again(
    record: Record,
    config: GatewayConfig,
    table: RouteTable,
    http: aiohttp.ClientSession,
    *,
    urls: Mapping[str, str],
    make: Callable[[Route, aiohttp.ClientSession], Engine] = engine_for,
) -> tuple[list[Again], Result]:
    """Ask every member that is still there; returns each of them, and what the vote comes to now. A
    judge is not asked again, and texts are not compared by what they mean.

    Args:
        record: the decision, with its words.
        config: what the gateway was last told; it makes the system's part of the prompts.
        table: whom it asks.
        http: connections.
        urls: addresses of members that are not where the table says.
        make: makes the engine of a route.
    """
    routes = {route.member: route for route in table.routes}

    async def once(then: Candidate) -> Again:
        route = routes.get(then.member)
        if route is None:
            return Again(then, None, ("the ensemble has no such member any more",))
        route = route.model_copy(
            update={
                "url": urls.get(then.member, route.url),
                "sampling": then.sampling or route.sampling,
            }
        )
        prompt = _prompt(record, config, route)
        now = await _ask(then, route, prompt, make(route, http))
        return Again(then, now, tuple(_differences(then, route, prompt)))

    found = list(await asyncio.gather(*(once(then) for then in record.candidates)))
    candidates = [each.now or _silent(each.then) for each in found]
    return found, count(candidates, record.counting, record.options, record.fallback_line)


def _prompt(record: Record, config: GatewayConfig, route: Route) -> Prompt:
    options = tuple(record.options) if record.options else None
    scene = Scene(record.question, options, record.player, None, record.context)
    prompt = build(config, route, scene, None)
    if record.told is None:
        return prompt
    system = [said for said in prompt.messages if said.role == "system"]
    told = [Message(cast("Role", said.role), said.content) for said in record.told]
    return replace(prompt, messages=(*system, *told))


async def _ask(then: Candidate, route: Route, prompt: Prompt, engine: Engine) -> Candidate:
    now = _silent(then).model_copy(update={"error": None, "state": "Failed"})
    try:
        reply = await collect(engine, prompt, float(route.timeout_seconds))
        return now.model_copy(update={"answer": accept(prompt, reply), "state": "Answered"})
    except EngineError as failure:
        error = str(failure)
    finally:
        await engine.close()
    return now.model_copy(update={"error": error})


def _differences(then: Candidate, route: Route, prompt: Prompt) -> Sequence[str]:
    told = []
    if route.revision != then.revision:
        told.append(f"revision {route.revision}, then {then.revision}")
    if route.model != then.model:
        told.append(f"model {route.model}, then {then.model}")
    if then.prompt_digest is not None and prompt.digest != then.prompt_digest:
        told.append("another prompt: the lore, the persona, the role or the wording changed")
    if route.sampling.seed is None and route.sampling.temperature != "0":
        told.append("no seed: it draws anew each time")
    return told


def _silent(then: Candidate) -> Candidate:
    blank = dict.fromkeys(("answer", "ballot", "lost", "follows", "arrived", "tries"))
    return then.model_copy(update={**blank, "state": "Skipped"})


def _form(candidate: Candidate) -> str | None:
    return None if candidate.answer is None else canonical(candidate.answer)
