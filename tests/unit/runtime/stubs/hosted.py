"""The streaming protocols of OpenAI (vLLM speaks it too), Anthropic and Google on loopback, written
from their published APIs, by a server that misbehaves when told to."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

Trouble = Literal[
    "none",
    # refuses
    "bad-key", "no-access", "bad-request", "too-long", "rate-limit", "server-error",
    "bad-gateway", "unavailable", "gateway-timeout",
    # says nothing, or not enough
    "hang", "mute", "stall", "cut-early", "cut", "no-finish", "empty-body", "empty-choices",
    "empty-text",
    # says something else
    "garbage", "not-an-object", "web-page", "long-line", "endless",
    # gives up
    "error-event", "abort", "content-filter",
]  # fmt: skip

_STATUS = {
    "bad-request": 400, "bad-key": 401, "no-access": 403, "too-long": 413, "rate-limit": 429,
    "server-error": 500, "bad-gateway": 502, "unavailable": 503, "gateway-timeout": 504,
}  # fmt: skip


@dataclass
class Provider:
    """What it says, what goes wrong, and what it was asked."""

    answer: str = "The gate opens."
    trouble: Trouble = "none"
    #: Requests that meet the trouble; the later ones are answered.
    times: int = 1000
    retry_after: str | None = None
    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    #: The clients' ends of the connections that requests came on.
    peers: set[Any] = field(default_factory=set)
    #: Generations whose client went away before the end.
    cancelled: int = 0


@asynccontextmanager
async def providing(provider: Provider) -> AsyncIterator[Provider]:
    """Serve all protocols on a free port."""
    app = web.Application(client_max_size=1 << 22)

    async def answer(request: web.Request) -> web.StreamResponse:
        _take(provider, request, await request.json())
        try:
            return await _answer(provider, request)
        except (asyncio.CancelledError, ConnectionError):
            provider.cancelled += 1
            raise

    async def vectors(request: web.Request) -> web.Response:
        _take(provider, request, await request.json())
        return web.json_response(_vectors(provider.asked[-1]))

    app.router.add_post("/v1/chat/completions", answer)
    app.router.add_post("/v1/messages", answer)
    app.router.add_post("/{version}/models/{model}:streamGenerateContent", answer)
    app.router.add_post("/v1/embeddings", vectors)
    app.router.add_post("/{version}/models/{model}:batchEmbedContents", vectors)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield provider
    finally:
        await runner.cleanup()


def _take(provider: Provider, request: web.Request, body: dict[str, Any]) -> None:
    headers = {name.lower(): value for name, value in request.headers.items()}
    provider.asked.append(body)
    provider.headers.append(headers)
    provider.peers.add(request.get_extra_info("peername"))
    bearer = headers.get("authorization", "").removeprefix("Bearer ")
    provider.keys.append(headers.get("x-api-key") or headers.get("x-goog-api-key") or bearer)


async def _answer(provider: Provider, request: web.Request) -> web.StreamResponse:
    trouble = provider.trouble if len(provider.asked) <= provider.times else "none"
    status = _STATUS.get(trouble)
    if status is not None:
        return _refusal(provider, status)
    match trouble:
        case "hang":
            await asyncio.Event().wait()
        case "cut-early":
            return _hang_up(request, web.StreamResponse())
        case "web-page":
            return web.Response(text="<html>Sign in</html>\n", content_type="text/html")
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    events = list(_EVENTS[request.path.split("/")[-1].split(":")[-1]](provider, trouble))
    match trouble:
        case "empty-body":
            return response
        case "mute":
            await asyncio.Event().wait()
        case "garbage":
            await response.write(b"event: message_start\ndata: {this is no JSON\n\n")
            return response
        case "not-an-object":
            await response.write(b"event: message_start\ndata: [1, 2]\n\n")
            return response
        case "long-line":
            for _ in range(64):
                await response.write(b"x" * (1 << 16))
            return response
        case "endless":
            opening, piece = events[:-3], events[-3]
            for event in opening:
                await _send(response, event)
            while True:
                await _send(response, piece)
    for at, event in enumerate(events):
        if at == _BREAK and trouble == "cut":
            return _hang_up(request, response)
        if at == _BREAK and trouble == "stall":
            await asyncio.Event().wait()
        await _send(response, event)
    return response


#: After the first piece of text, in each of the protocols.
_BREAK = 4


def _refusal(provider: Provider, status: int) -> web.Response:
    message = f"told to fail, with the header Bearer {provider.keys[-1]}"  # as some proxies do
    error = {"type": "x", "code": status, "message": message, "status": "X"}
    headers = {"retry-after": provider.retry_after} if provider.retry_after else None
    return web.json_response({"type": "error", "error": error}, status=status, headers=headers)


def _hang_up(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return response


async def _send(response: web.StreamResponse, event: "_Event") -> None:
    name, data = event
    head = f"event: {name}\n" if name else ""
    await response.write(f"{head}data: {json.dumps(data)}\n\n".encode())


_Event = tuple[str, dict[str, Any]]


def _pieces(provider: Provider, trouble: Trouble) -> list[str]:
    if trouble == "empty-text":
        return ["", ""]
    if trouble == "endless":
        return ["x" * 4096] * 2
    return [provider.answer[:4], provider.answer[4:]]


def _openai(provider: Provider, trouble: Trouble) -> list[_Event]:
    def chunk(**rest: Any) -> _Event:
        head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        return "", head | rest

    def choice(delta: dict[str, Any], finish: str | None = None) -> _Event:
        one: dict[str, Any] = {"index": 0, "delta": delta, "finish_reason": finish}
        if delta.get("content") and provider.asked[-1].get("logprobs"):
            token = {"token": delta["content"], "bytes": None, "logprob": -0.5, "top_logprobs": []}
            one["logprobs"] = {"content": [token], "refusal": None}
        return chunk(choices=[one])

    if trouble == "error-event":
        return [("", {"error": {"message": "slot was evicted", "type": "server_error"}})]
    if trouble == "empty-choices":
        return [chunk(choices=[]), chunk(choices=[])]
    finish = {"content-filter": "content_filter", "abort": "abort"}.get(trouble, "stop")
    usage = {
        "prompt_tokens": 40,
        "completion_tokens": 7,
        "total_tokens": 47,
        "prompt_tokens_details": {"cached_tokens": 30},
    }
    first, second = _pieces(provider, trouble)
    end = [] if trouble == "no-finish" else [choice({}, finish)]
    return [
        choice({"role": "assistant", "content": ""}),
        choice({"content": ""}),
        choice({"content": first[:1]}),
        choice({"content": first[1:]}),
        choice({"content": second}),
        *end,
        chunk(choices=[], usage=usage),
    ]


def _anthropic(provider: Provider, trouble: Trouble) -> list[_Event]:
    message: dict[str, Any] = {
        "id": "m", "type": "message", "role": "assistant", "content": [], "model": "m",
        "stop_reason": None, "stop_sequence": None,
        "usage": {"input_tokens": 10, "cache_read_input_tokens": 30, "output_tokens": 1},
    }  # fmt: skip
    finish = {"content-filter": "refusal", "abort": "pause_turn"}.get(trouble, "end_turn")
    pieces: list[dict[str, Any]] = [
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": piece},
        }
        for piece in _pieces(provider, trouble)
    ]
    begin: list[dict[str, Any]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
    ]
    if trouble == "error-event":
        problem = {"type": "overloaded_error", "message": "Overloaded"}
        begin.append({"type": "error", "error": problem})
    if trouble == "empty-choices":
        pieces = []
    end: list[dict[str, Any]] = [
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": finish, "stop_sequence": None},
            "usage": {"output_tokens": 7},
        },
        {"type": "message_stop"},
    ]
    if trouble in ("no-finish", "empty-choices"):
        end = []
    if trouble == "endless":
        end = end[:2]
    return [(event["type"], event) for event in [*begin, *pieces, *end]]


def _google(provider: Provider, trouble: Trouble) -> list[_Event]:
    usage = {"promptTokenCount": 40, "cachedContentTokenCount": 30}

    def chunk(text: str, finish: str | None = None) -> _Event:
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": text}]}}
        if finish:
            candidate["finishReason"] = finish
        counted = usage | {"candidatesTokenCount": 5, "thoughtsTokenCount": 2}
        return "", {"candidates": [candidate], "usageMetadata": counted}

    if trouble == "error-event":
        return [("", {"error": {"code": 500, "message": "internal", "status": "INTERNAL"}})]
    if trouble == "empty-choices":
        return [("", {"candidates": [], "usageMetadata": usage})] * 2
    finish = {"content-filter": "SAFETY", "abort": "OTHER"}.get(trouble, "STOP")
    first, second = _pieces(provider, trouble)
    end = [] if trouble == "no-finish" else [chunk("", finish)]
    return [chunk(""), chunk(""), chunk(first[:1]), chunk(first[1:]), chunk(second), *end]


def _vectors(body: dict[str, Any]) -> dict[str, Any]:
    if "requests" in body:
        count = len(body["requests"])
        return {"embeddings": [{"values": [float(at), 0.5]} for at in range(count)]}
    data = [
        {"object": "embedding", "index": at, "embedding": [float(at), 0.5]}
        for at in range(len(body["input"]))
    ]
    usage = {"prompt_tokens": 3, "total_tokens": 3}
    return {"object": "list", "model": "m", "data": data[::-1], "usage": usage}


_EVENTS = {
    "completions": _openai,
    "messages": _anthropic,
    "streamGenerateContent": _google,
}
