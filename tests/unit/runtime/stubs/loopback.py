"""The gateway behind a real server on loopback, in this process: for what only shows on a wire."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import uvicorn

from tests.unit.runtime.stubs.gateway import House
from tests.unit.runtime.stubs.waiting import eventually


class _Server(uvicorn.Server):
    """One that ends when it is told to, and not at the next of its looks."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.told = asyncio.Event()

    async def main_loop(self) -> None:
        """Serve until told."""
        await self.on_tick(0)
        await self.told.wait()


@asynccontextmanager
async def on_loopback(home: House) -> AsyncIterator[str]:
    """The address under which that gateway answers."""
    transport = home.client._transport
    assert isinstance(transport, httpx.ASGITransport)
    config = uvicorn.Config(
        transport.app,
        lifespan="off",  # the house opens and closes it
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
        ws_max_size=home.gateway.settings.max_request_bytes,
    )
    server = _Server(config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        serving = asyncio.create_task(server._serve([listener]))
        try:
            await eventually(lambda: server.started)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.told.set()
            await serving
