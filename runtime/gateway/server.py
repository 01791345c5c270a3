"""Serving, and ending well: on SIGTERM the gateway first says that it goes, then finishes what has
begun, then closes the log."""

import asyncio
from types import FrameType

import structlog
import uvicorn

from runtime.gateway.app import create
from runtime.gateway.gateway import Gateway
from runtime.gateway.settings import Settings

log = structlog.get_logger(__name__)


class DrainingServer(uvicorn.Server):
    """A server whose first signal starts the drain; the second ends it at once."""

    def __init__(self, config: uvicorn.Config, gateway: Gateway) -> None:
        super().__init__(config)
        self._gateway = gateway
        self._loop: asyncio.AbstractEventLoop | None = None

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
        delay = self._gateway.settings.drain_delay_seconds
        log.info("draining", delay=delay)
        self._loop.call_later(delay, self._stop)

    def _stop(self) -> None:
        self.should_exit = True


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
        timeout_graceful_shutdown=settings.drain_seconds,
        timeout_keep_alive=65,
    )
    DrainingServer(config, gateway).run()
