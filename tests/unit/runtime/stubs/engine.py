"""An engine that speaks OpenAI's streaming chat API on loopback and misbehaves when told to."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

Behaviour = Literal[
    "good", "empty", "error", "bad-request", "cut", "hang", "slow", "garbage", "json-error",
    "agreeable", "outside", "abort", "no-finish", "long-line", "not-openai", "busy", "stuck",
]  # fmt: skip


@dataclass
class Stub:
    """What it says, how it behaves, and what it was asked."""

    answer: str = "yes"
    #: What to say to a request, instead of `answer`.
    say: Callable[[dict[str, Any]], str] | None = None
    behaviour: Behaviour = "good"
    #: What an answer waits for before it begins.
    pause: Callable[[], Awaitable[None]] | None = None
    ready: bool = True
    frozen: bool = False
    url: str = ""
    completion_tokens: int = 7
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    #: Generations whose client went away before the end.
    cancelled: int = 0
    #: Set to let "slow" generations end.
    release: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def running(stub: Stub) -> AsyncIterator[Stub]:
    """Serve the stub on a free port."""
    app = web.Application()

    async def chat(request: web.Request) -> web.StreamResponse:
        stub.asked.append(await request.json())
        stub.headers.append(dict(request.headers))
        try:
            return await _chat(stub, request)
        except (asyncio.CancelledError, ConnectionError):
            stub.cancelled += 1
            raise

    async def readyz(request: web.Request) -> web.Response:
        if stub.frozen:
            await asyncio.Event().wait()
        return web.Response(status=200 if stub.ready else 503)

    app.router.add_post("/v1/chat/completions", chat)
    app.router.add_get("/readyz", readyz)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    stub.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield stub
    finally:
        await runner.cleanup()


async def _chat(stub: Stub, request: web.Request) -> web.StreamResponse:
    if stub.pause is not None:
        await stub.pause()
    match stub.behaviour:
        case "error":
            return web.Response(status=500, text="out of memory")
        case "busy":
            return web.Response(status=429, text="slow down", headers={"retry-after": "60"})
        case "bad-request":
            return web.Response(status=400, text="the prompt exceeds the context window")
        case "hang":
            await asyncio.Event().wait()
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    if stub.behaviour == "slow":
        await _send(response, _delta(""))
        await stub.release.wait()
    match stub.behaviour:
        case "garbage":
            await response.write(b"data: this is no JSON\n\n")
            return response
        case "long-line":
            await response.write(b"data: " + b"x" * (1 << 20))
            return response
        case "not-openai":
            await _send(response, {"choices": "none"})
            return response
        case "json-error":
            await _send(response, {"error": {"message": "slot was evicted"}})
            return response
        case "cut":
            await _send(response, _delta("half an ans"))
            assert request.transport is not None
            request.transport.abort()
            return response
        case "stuck":
            await _send(response, _delta("half an ans"))
            await asyncio.Event().wait()
        case "no-finish":
            await _send(response, _delta("half an ans"))
            return response
    discrete = "response_format" in stub.asked[-1]
    if stub.behaviour == "agreeable":
        choice = _schema(stub.asked[-1]).get("properties", {}).get("choice", {})
        stub.answer = choice.get("enum", ["yes"])[0]
    said = {"empty": "", "outside": "a third thing"}.get(
        stub.behaviour, stub.say(stub.asked[-1]) if stub.say else stub.answer
    )
    text = json.dumps({"choice": said}) if discrete and said else said
    for at in range(0, len(text), 5):
        await _send(response, _delta(text[at : at + 5]))
    finish = "abort" if stub.behaviour == "abort" else "stop"
    await _send(response, {"choices": [{"delta": {}, "finish_reason": finish}]})
    await _send(
        response,
        {
            "choices": [],
            "usage": {"prompt_tokens": 40, "completion_tokens": stub.completion_tokens},
        },
    )
    await response.write(b"data: [DONE]\n\n")
    return response


def _schema(asked: dict[str, Any]) -> dict[str, Any]:
    """The form that is asked for."""
    form = asked.get("response_format", {}).get("json_schema", {}).get("schema", {})
    return dict(form) if isinstance(form, dict) else {}


def _delta(text: str) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": text}, "finish_reason": None}]}


async def _send(response: web.StreamResponse, event: dict[str, Any]) -> None:
    await response.write(f"data: {json.dumps(event)}\n\n".encode())
