"""Serving over HTTP, and ending well: on SIGTERM those who wait for a change are answered first."""

from socket import socket
from types import FrameType

import uvicorn

from runtime.config.app import create
from runtime.config.service import ConfigService
from runtime.config.settings import Settings


class DrainingServer(uvicorn.Server):
    """A server that waits for nobody who waits for it."""

    def __init__(self, config: uvicorn.Config, service: ConfigService) -> None:
        super().__init__(config)
        self._service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called in a signal handler. The signal is not raised again afterwards: having drained is
        a success, so the process ends with 0."""
        self.force_exit = self.should_exit
        self.should_exit = True

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Answer who waits, then close."""
        self._service.drain()
        await super().shutdown(sockets)


def run(settings: Settings) -> None:
    """Serve until a signal."""
    app, service = create(settings)
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
    DrainingServer(config, service).run()
