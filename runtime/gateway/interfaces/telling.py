"""A decision told while it is made, as server-sent events."""

from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel

from runtime.audit import Candidate, Decision, Record, Vote
from runtime.gateway.interfaces.events import (
    KEEP_ALIVE_SECONDS,
    MEDIA_TYPE,
    EventStream,
    nobody,
    unless_gone,
)
from runtime.gateway.interfaces.live import Live
from runtime.gateway.story.poll import Watch
from runtime.web.problems import told as failure_told


def wants_events(accept: str) -> bool:
    """Whether an Accept header asks for events by name."""
    return any(part.partition(";")[0].strip().lower() == MEDIA_TYPE for part in accept.split(","))


async def told(
    request: Request, decide: Callable[[Watch], Coroutine[Any, Any, Record]]
) -> Response:
    """The response that tells it, once there is something to tell.

    Raises:
        whatever ``decide`` raises before that.
    """
    live: Live[Candidate, Record] = Live(decide)
    if not await unless_gone(request, live, KEEP_ALIVE_SECONDS):
        return nobody()
    if live.failed:
        await live.task
    return EventStream(live, _events(live))


async def _events(live: Live[Candidate, Record]) -> AsyncGenerator[bytes, None]:
    number = 0
    async for candidates in live.follow(KEEP_ALIVE_SECONDS):
        for candidate in candidates:
            number += 1
            yield _event("candidate", number, Vote.of(candidate))
        if not candidates:
            yield b""
    try:
        decision = Decision.of(await live.task)
    except Exception as error:
        yield _event("problem", number + 1, failure_told(error).problem)
    else:
        yield _event("decision", number + 1, decision)


def _event(name: str, number: int, body: BaseModel) -> bytes:
    """One event. JSON has no line breaks of its own."""
    data = body.model_dump_json(by_alias=True, exclude_none=True)
    return f"id: {number}\nevent: {name}\ndata: {data}\n\n".encode()
