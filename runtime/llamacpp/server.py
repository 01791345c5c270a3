"""The life of the engine process: listen, warm up, serve, drain on SIGTERM."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress

import structlog
from aiohttp import web

from runtime.llamacpp.app import EngineApp
from runtime.llamacpp.chunks import EngineError
from runtime.llamacpp.options import Options
from runtime.llamacpp.warmup import Engine

# What is still open after the drain is cut; this only lets the last bytes leave.
_CLOSE_SECONDS = 1.0
_BACKLOG = 256
_log = structlog.get_logger()


async def serve(
    options: Options, engine: Engine, listening: Callable[[int], None] = lambda port: None
) -> None:
    """Serve until SIGTERM or SIGINT, and until running answers are out or their time is up."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    app = EngineApp(options, engine)
    runner = web.AppRunner(
        app.web_app(),
        handler_cancellation=True,  # a client that leaves stops its generation
        access_log=None,
        shutdown_timeout=_CLOSE_SECONDS,
    )
    await runner.setup()
    site = web.TCPSite(runner, options.host, options.port, backlog=_BACKLOG)
    await site.start()
    port = runner.addresses[0][1]
    _log.info("listening", host=options.host, port=port, model=options.served_name)
    listening(port)
    warming = asyncio.create_task(_warm(app))
    try:
        await stop.wait()
        _log.info("draining", in_flight=app.gate.in_flight, seconds=options.drain_seconds)
        if not await app.gate.drained(options.drain_seconds):
            _log.warning("drain is over; cutting what is left", in_flight=app.gate.in_flight)
    finally:
        warming.cancel()
        await app.warmup.stop()
        await runner.cleanup()
        await engine.close()
    _log.info("stopped")


async def _warm(app: EngineApp) -> None:
    """Warm up unasked; a failure is reported by /startupz, which asks again."""
    with suppress(EngineError):
        await app.warmup.check()
