"""A file server that misbehaves on purpose, in the ways that file servers do."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

MODEL = b"GGUF" + bytes(range(256)) * 400
DIGEST = f"sha256:{hashlib.sha256(MODEL).hexdigest()}"


@dataclass
class Shelf:
    """What it has, what it does wrong, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=lambda: {"/model.gguf": MODEL})
    #: Statuses for the next requests, before anything else.
    refusals: list[int] = field(default_factory=list)
    #: After so many bytes the connection breaks; one entry a request.
    cuts: list[int] = field(default_factory=list)
    #: After so many bytes nothing more comes.
    stall: int | None = None
    ranges: bool = True
    #: From path to address.
    redirects: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        headers = request.headers
        self.asked.append(
            (request.path, headers.get("Range", ""), headers.get("Authorization", ""))
        )
        if self.refusals:
            return web.Response(status=self.refusals.pop(0), text="no, and here is a long story")
        if request.path in self.redirects:
            return web.Response(status=302, headers={"Location": self.redirects[request.path]})
        body = self.files.get(request.path)
        if body is None:
            return web.Response(status=404)
        start, wanted = 0, headers.get("Range", "") if self.ranges else ""
        if wanted:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(body):
                return web.Response(status=416, headers={"Content-Range": f"bytes */{len(body)}"})
        response = web.StreamResponse(status=206 if wanted else 200)
        if wanted:
            response.headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        response.content_length = len(body) - start
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        return await self._send(request, response, body[start:])

    async def _send(
        self, request: web.Request, response: web.StreamResponse, body: bytes
    ) -> web.StreamResponse:
        if self.cuts:
            await response.write(body[: self.cuts.pop(0)])
            # The client has to see these bytes before the end.
            await asyncio.sleep(0)
            assert request.transport
            request.transport.close()
            return response
        if self.stall is not None:
            await response.write(body[: self.stall])
            self.stall = None
            await asyncio.Event().wait()
        await response.write(body)
        await response.write_eof()
        return response


@asynccontextmanager
async def serving(shelf: Shelf) -> AsyncIterator[Shelf]:
    """The shelf on a port of this machine, for as long as the block runs."""
    app = web.Application()
    app.router.add_get("/{path:.*}", shelf.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    shelf.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield shelf
    finally:
        await runner.cleanup()
