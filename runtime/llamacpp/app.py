"""The HTTP interface of the engine pod: chat completions, probes, metrics."""

import asyncio
import json
import math
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import structlog
from aiohttp import web

from runtime.llamacpp.chunks import (
    EngineError,
    Piece,
    Writer,
    carries_text,
    dumps,
    error,
    sse,
    whole,
)
from runtime.llamacpp.faults import Fault, FaultPlan, noise
from runtime.llamacpp.gate import Gate
from runtime.llamacpp.metrics import Metrics
from runtime.llamacpp.options import Options
from runtime.llamacpp.warmup import Engine, Warmup

_BODY_BYTES = 8 * 2**20
#: How long a client waits, in milliseconds. Who gives up is not worked for, even when a proxy
#: between the two keeps the connection open.
TIMEOUT_HEADER = "x-request-timeout-ms"
_log = structlog.get_logger()


class EngineApp:
    """One engine behind its endpoints."""

    def __init__(self, options: Options, engine: Engine) -> None:
        self._options = options
        self._engine = engine
        self._faults = FaultPlan(options.faults)
        self.gate = Gate(options.parallel, options.max_waiting, time.monotonic)
        self.metrics = Metrics(self.gate)
        self.warmup = Warmup(engine, done=self._on_warm)
        self._started = time.monotonic()

    def web_app(self) -> web.Application:
        app = web.Application(client_max_size=_BODY_BYTES, middlewares=[self._guard])
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/startupz", self._startupz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        return app

    def _on_warm(self) -> None:
        self.metrics.warm.set(1)
        _log.info("warm", seconds=round(time.monotonic() - self._started, 3))

    # -- probes and metrics ------------------------------------------------------------------------

    async def _livez(self, request: web.Request) -> web.Response:
        """The process runs; says nothing about the model, or a busy engine would be killed."""
        return web.Response(text="ok\n")

    async def _startupz(self, request: web.Request) -> web.Response:
        await self.warmup.check()
        return web.Response(text="ok\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        if self.gate.draining:
            return web.Response(status=503, text="draining\n")
        if not self.warmup.warm:
            return web.Response(status=503, text="the model has not generated a token yet\n")
        return web.Response(text="ok\n")

    async def _metrics(self, request: web.Request) -> web.Response:
        text = self.metrics.render() + await self._engine.metrics()
        return web.Response(
            body=text.encode(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )

    async def _models(self, request: web.Request) -> web.Response:
        model = {
            "id": self._options.served_name,
            "object": "model",
            "created": 0,
            "owned_by": "fabula",
            "meta": {"n_ctx": self._options.context_tokens},
        }
        return web.json_response({"object": "list", "data": [model]})

    # -- chat --------------------------------------------------------------------------------------

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        started = time.monotonic()
        outcome = "cancelled"
        try:
            async with self.gate.entered():
                response = await self._answer(request, await _body(request))
            outcome = "ok"
        except EngineError as problem:
            outcome = "refused" if problem.status < 500 or problem.status == 503 else "error"
            raise
        finally:
            self.metrics.requests.labels(outcome).inc()
            _log.info(
                "chat",
                outcome=outcome,
                seconds=round(time.monotonic() - started, 3),
                traceparent=request.headers.get("traceparent"),
            )
        return response

    async def _answer(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        number = self._faults.arrived
        fault = self._faults.next()
        if fault is not Fault.NONE:
            self.metrics.faults.labels(fault.value).inc()
        if fault is Fault.HANG:
            await asyncio.Event().wait()
        if self._options.faults.latency_seconds:
            self.metrics.faults.labels("latency").inc()
        reply = _Stream(request, body) if body.get("stream") else _Whole()
        seconds = min(self._options.request_seconds, _patience(request))
        try:
            async with asyncio.timeout(seconds):
                await asyncio.sleep(self._options.faults.latency_seconds)
                async with self.gate.slot(), aclosing(self._chunks(body, fault, number)) as chunks:
                    async for raw in chunks:
                        chunk = json.loads(raw)
                        if carries_text(chunk):
                            self.metrics.tokens.inc()
                        await reply.add(raw, chunk)
        except TimeoutError:
            problem = error(
                504,
                f"the answer took longer than --request-seconds {self._options.request_seconds:g} "
                f"or the request's own {TIMEOUT_HEADER} allow",
                "timeout",
            )
            return await reply.fail(problem)
        except EngineError as problem:
            return await reply.fail(problem)
        return await reply.finish()

    async def _chunks(
        self, body: Mapping[str, Any], fault: Fault, number: int
    ) -> AsyncGenerator[bytes]:
        """What the engine says, or what a fault makes of it."""
        if fault is Fault.NONE:
            async with aclosing(self._engine.stream(body)) as chunks:
                async for raw in chunks:
                    yield raw
            return
        texts = noise(self._options.faults.seed, number) if fault is Fault.GARBAGE else []
        writer = Writer(
            f"chatcmpl-fault-{number}", self._options.served_name, bool(body.get("logprobs"))
        )
        yield dumps(writer.role()).encode()
        for text in texts:
            yield dumps(writer.piece(Piece(text))).encode()
        yield dumps(writer.finish("stop")).encode()
        yield dumps(writer.usage(0, len(texts))).encode()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Freeze if told to; turn a refusal into an answer in OpenAI's error format."""
        if self._options.faults.freeze:
            self.metrics.faults.labels("freeze").inc()
            await asyncio.Event().wait()
        try:
            response: web.StreamResponse = await handler(request)
        except EngineError as problem:
            headers = {"Retry-After": "1"} if problem.status == 503 else {}
            return web.json_response(problem.body, status=problem.status, headers=headers)
        return response


class _Stream:
    """Passes the chunks on as server-sent events."""

    def __init__(self, request: web.Request, body: Mapping[str, Any]) -> None:
        self._request = request
        self._with_usage = bool((body.get("stream_options") or {}).get("include_usage"))
        self._response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
        )

    async def add(self, raw: bytes, chunk: Mapping[str, Any]) -> None:
        # The engine always counts; the client gets the count only when it asked.
        if not chunk.get("choices") and "usage" in chunk and not self._with_usage:
            return
        if not self._response.prepared:
            await self._response.prepare(self._request)
        await self._response.write(sse(raw))

    async def fail(self, problem: EngineError) -> web.StreamResponse:
        if not self._response.prepared:
            raise problem
        # Too late for a status: say it in the stream, as OpenAI does.
        await self._response.write(sse(dumps(problem.body)))
        return self._response

    async def finish(self) -> web.StreamResponse:
        if not self._response.prepared:
            await self._response.prepare(self._request)
        await self._response.write(sse("[DONE]"))
        await self._response.write_eof()
        return self._response


class _Whole:
    """Collects the chunks into one answer."""

    def __init__(self) -> None:
        self._chunks: list[Mapping[str, Any]] = []

    async def add(self, raw: bytes, chunk: Mapping[str, Any]) -> None:
        if "error" in chunk:
            raise EngineError(502, {"error": chunk["error"]})
        self._chunks.append(chunk)

    async def fail(self, problem: EngineError) -> web.StreamResponse:
        raise problem

    async def finish(self) -> web.StreamResponse:
        return web.json_response(whole(self._chunks))


def _patience(request: web.Request) -> float:
    """Seconds that the client waits; what cannot be read binds nobody."""
    given = request.headers.get(TIMEOUT_HEADER, "")
    return int(given) / 1000 if given.isascii() and given.isdigit() else math.inf


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except web.HTTPRequestEntityTooLarge:
        raise error(
            413, f"the request is larger than {_BODY_BYTES} bytes", "invalid_request_error"
        ) from None
    except ValueError:
        raise error(400, "the request body is not JSON", "invalid_request_error") from None
    if not isinstance(body, dict) or not isinstance(body.get("messages"), list):
        raise error(
            400,
            "the request needs `messages`, a list of {role, content} objects",
            "invalid_request_error",
        )
    return body
