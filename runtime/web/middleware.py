"""Around every request: its trace, what its rates say, and a bound on its size."""

from http import HTTPStatus

from prometheus_client import Counter
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runtime.limits.visits import Visit
from runtime.tracing import trace_of
from runtime.web.ratelimits import rate_headers


class Surroundings:
    """Puts the trace into the request's state and the response's headers, tells there of rates,
    counts refusals, and ends requests whose body is longer than allowed. A WebSocket gets its trace
    only."""

    def __init__(self, app: ASGIApp, refused: Counter, max_bytes: int) -> None:
        self._app = app
        self._refused = refused
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        trace = trace_of(Headers(scope=scope).get("traceparent"))
        scope.setdefault("state", {})["trace"] = trace
        if scope["type"] == "websocket":  # the server bounds its messages
            await self._app(scope, receive, send)
            return
        taken = 0

        async def bounded() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._max_bytes:
                raise HTTPException(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    f"the body may have {self._max_bytes} bytes; send less",
                )
            return message

        async def traced(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["traceparent"] = trace.header
                visit = scope["state"].get("visit")
                if isinstance(visit, Visit):
                    headers.update(rate_headers(visit.quotas))
                if message["status"] >= HTTPStatus.BAD_REQUEST:
                    self._refused.labels(str(message["status"])).inc()
            await send(message)

        await self._app(scope, bounded, traced)
