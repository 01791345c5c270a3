"""Serving over HTTP and gRPC, and ending well: on SIGTERM the gateway first says that it goes, then
finishes what has begun, then closes the log."""

import asyncio
import gc
import sys
from socket import socket
from types import FrameType

import structlog
import uvicorn

from runtime.gateway.app import create
from runtime.gateway.gateway import Gateway
from runtime.gateway.settings import Settings
from runtime.protocol.door import Door

log = structlog.get_logger(__name__)

#: Objects that a generation may grow by before the garbage collector looks at it. What the gateway
#: makes is let go of by counting references, nearly all of it, so looking often finds little.
GC_THRESHOLDS = (10_000, 20, 50)
#: A tenth of Python's own: an answer takes less than that.
SWITCH_SECONDS = 0.0005


class DrainingServer(uvicorn.Server):
    """A server whose first signal starts the drain; the second ends it at once."""

    def __init__(self, config: uvicorn.Config, gateway: Gateway) -> None:
        super().__init__(config)
        self._gateway = gateway
        self._loop: asyncio.AbstractEventLoop | None = None
        self._grpc: Door | None = None
        self._closing: asyncio.Task[None] | None = None
        self._leaving: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Open both doors, once the gateway is open."""
        await super().startup(sockets)
        if self.started:
            self._grpc = Door(self._gateway)
            await self._grpc.open()
            self._gateway.closes_after(self._grpc.close)
            _keep_pauses_short()

    async def serve(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """Serve until told to stop."""
        self._loop = asyncio.get_running_loop()
        await super().serve()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called in a signal handler. The signal is not raised again afterwards: having drained is
        a success, so the process ends with 0."""
        if self._gateway.draining or self._loop is None:
            self.should_exit = self.force_exit = True
            return
        self._gateway.draining = True
        self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        assert self._loop is not None  # noqa: S101  (serving)
        self._leaving = self._loop.create_task(self._leave())

    async def _leave(self) -> None:
        """Connections that stay are ended first: the server would cut them off."""
        assert self._loop is not None  # noqa: S101  (serving)
        settings = self._gateway.settings
        try:
            log.info("draining", delay=settings.drain_delay_seconds)
            await asyncio.sleep(settings.drain_delay_seconds)
            started = self._loop.time()
            if self._grpc is not None:
                self._closing = asyncio.create_task(self._grpc.close())
            await self._gateway.room.close(settings.drain_seconds)
            left = settings.drain_seconds - (self._loop.time() - started)
            self.config.timeout_graceful_shutdown = max(1, round(left))
        finally:  # whatever happens, even to standard output: it was told to stop
            self.should_exit = True


def _keep_pauses_short() -> None:
    """Have nobody wait long for what goes on beside answers. What is there for good, modules and
    schemas, is left to no garbage collection any more: going through all of it took 50 ms. A thread
    that makes the search index lets go of the interpreter sooner."""
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def run(settings: Settings) -> None:
    """Serve until a signal."""
    app, gateway = create(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nobody asks for the address of a client
        timeout_graceful_shutdown=settings.drain_seconds,
        ws_max_size=settings.max_request_bytes,
        ws_max_queue=4,
        timeout_keep_alive=65,
    )
    DrainingServer(config, gateway).run()
