"""Server-sent events over HTTP: what is told while it is being made.

An error before the first event is an ordinary answer with its status. After that the status is
sent, and an error is an event. A client that goes away ends the work.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from runtime.gateway.interfaces.live import Live

MEDIA_TYPE = "text/event-stream"
#: A comment is sent when nothing else was for so long, so that nobody in between hangs up.
KEEP_ALIVE_SECONDS = 10.0
_COMMENT = b": still here\n\n"
#: Nobody reads it: the client closed the request (nginx's number for that).
_CLIENT_GONE = 499


async def unless_gone(request: Request, live: Live[Any, Any], seconds: float | None = None) -> bool:
    """Wait until the work has begun to tell or has ended, at most ``seconds``; False, with the work
    ended, if the client went away before."""
    begun, leaving = asyncio.create_task(live.begun()), asyncio.create_task(gone(request.receive))
    try:
        await asyncio.wait({begun, leaving}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        left = leaving.done() and not begun.done()
    except asyncio.CancelledError:
        await live.stop()
        raise
    finally:
        begun.cancel()
        leaving.cancel()
    if left:
        await live.stop()
    return not left


def nobody() -> Response:
    """The answer to a client that is not there any more."""
    return Response(status_code=_CLIENT_GONE)


async def gone(receive: Receive) -> None:
    """Wait until the client goes away."""
    while (await receive())["type"] != "http.disconnect":
        pass


class EventStream(Response):
    """The response. Whoever goes away ends ``live``.

    Args:
        live: the work.
        told: what to send, piece by piece; an empty piece is sent as a comment.
        headers: beside those of an event stream.
    """

    media_type = MEDIA_TYPE

    def __init__(
        self,
        live: Live[Any, Any],
        told: AsyncGenerator[bytes, None],
        headers: dict[str, str] | None = None,
    ) -> None:
        # Proxies that buffer would turn it into one late answer.
        super().__init__(
            headers={"cache-control": "no-store", "x-accel-buffering": "no", **(headers or {})}
        )
        del self.headers["content-length"]
        self._live = live
        self._told = told

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        leaving = asyncio.create_task(gone(receive))
        sending = asyncio.create_task(self._send(send))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            sending.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
            await self._live.stop()
        if not sending.cancelled() and (error := sending.exception()) is not None:
            raise error

    async def _send(self, send: Send) -> None:
        start = {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }
        await send(start)
        async with aclosing(self._told) as pieces:
            async for piece in pieces:
                body = {"type": "http.response.body", "body": piece or _COMMENT, "more_body": True}
                await send(body)
        await send({"type": "http.response.body", "body": b"", "more_body": False})
