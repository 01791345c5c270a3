"""The gateway behind a real server on loopback, in this process: for what only shows on a wire."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import uvicorn

from tests.unit.runtime.stubs.gateway import House
from tests.unit.runtime.stubs.waiting import eventually


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
    server = uvicorn.Server(config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        serving = asyncio.create_task(server._serve([listener]))
        try:
            await eventually(lambda: server.started)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving
