"""The three providers' streaming protocols on loopback, written from their published APIs."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

Trouble = Literal[
    "none",
    "bad-key",
    "no-access",
    "rate-limit",
    "bad-request",
    "server-error",
    "cut",
    "garbage",
    "refusal",
]

_STATUS = {
    "bad-key": 401,
    "no-access": 403,
    "rate-limit": 429,
    "bad-request": 400,
    "server-error": 500,
}


@dataclass
class Provider:
    """What it says, what goes wrong, and what it was asked."""

    answer: str = "The gate opens."
    trouble: Trouble = "none"
    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)


@asynccontextmanager
async def providing(provider: Provider) -> AsyncIterator[Provider]:
    """Serve all three protocols on a free port."""
    app = web.Application()

    async def answer(request: web.Request) -> web.StreamResponse:
        provider.asked.append(await request.json())
        key = (
            request.headers.get("x-api-key")
            or request.headers.get("x-goog-api-key")
            or request.headers["authorization"].removeprefix("Bearer ")
        )
        provider.keys.append(key)
        status = _STATUS.get(provider.trouble)
        if status is not None:
            message = f"told to fail, with the header Bearer {key}"  # as some proxies do
            error = {"type": "x", "code": status, "message": message, "status": "X"}
            return web.json_response({"type": "error", "error": error}, status=status)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        if provider.trouble == "garbage":
            await response.write(b"event: message_start\ndata: {this is no JSON\n\n")
            return response
        events = list(_EVENTS[request.path.split("/")[-1].split(":")[-1]](provider))
        for at, (name, event) in enumerate(events):
            if provider.trouble == "cut" and at == 2:
                assert request.transport is not None
                request.transport.abort()
                return response
            head = f"event: {name}\n" if name else ""
            await response.write(f"{head}data: {json.dumps(event)}\n\n".encode())
        return response

    app.router.add_post("/v1/chat/completions", answer)
    app.router.add_post("/v1/messages", answer)
    app.router.add_post("/{version}/models/{model}:streamGenerateContent", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield provider
    finally:
        await runner.cleanup()


_Events = list[tuple[str, dict[str, Any]]]


def _pieces(text: str) -> list[str]:
    return [text[:4], text[4:]]


def _openai(provider: Provider) -> _Events:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> tuple[str, dict[str, Any]]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return "", {
            "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [choice],
        }  # fmt: skip

    finish = "content_filter" if provider.trouble == "refusal" else "stop"
    _, usage = chunk({})
    usage |= {
        "choices": [],
        "usage": {"prompt_tokens": 40, "completion_tokens": 7, "total_tokens": 47},
    }
    return [
        chunk({"role": "assistant", "content": ""}),
        *(chunk({"content": piece}) for piece in _pieces(provider.answer)),
        chunk({}, finish),
        ("", usage),
    ]


def _anthropic(provider: Provider) -> _Events:
    message: dict[str, Any] = {
        "id": "m", "type": "message", "role": "assistant", "content": [], "model": "m",
        "stop_reason": None, "stop_sequence": None,
        "usage": {"input_tokens": 40, "output_tokens": 1},
    }  # fmt: skip
    finish = "refusal" if provider.trouble == "refusal" else "end_turn"
    pieces: list[dict[str, Any]] = [
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": piece},
        }
        for piece in _pieces(provider.answer)
    ]
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        *pieces,
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": finish, "stop_sequence": None},
            "usage": {"output_tokens": 7},
        },
        {"type": "message_stop"},
    ]
    return [(event["type"], event) for event in events]


def _google(provider: Provider) -> _Events:
    def chunk(text: str, finish: str | None) -> tuple[str, dict[str, Any]]:
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": text}]}}
        if finish:
            candidate["finishReason"] = finish
        usage = {"promptTokenCount": 40, "candidatesTokenCount": 7}
        return "", {"candidates": [candidate], "usageMetadata": usage}

    finish = "SAFETY" if provider.trouble == "refusal" else "STOP"
    first, second = _pieces(provider.answer)
    return [chunk(first, None), chunk(second, None), chunk("", finish)]


_EVENTS = {
    "completions": _openai,
    "messages": _anthropic,
    "streamGenerateContent": _google,
}
