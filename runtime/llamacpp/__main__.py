"""`python -m runtime.llamacpp`: the main process of the engine pod."""

import asyncio
import signal
import sys
import time
from types import FrameType

import structlog

from runtime.llamacpp import native, options
from runtime.llamacpp.models import ModelError, model_file
from runtime.llamacpp.paced import PacedEngine
from runtime.llamacpp.server import serve
from runtime.llamacpp.warmup import Engine

_log = structlog.get_logger()


def _engine(chosen: options.Options) -> Engine:
    if chosen.paced_tokens_per_second is not None:
        _log.warning("paced: no model is loaded", tokens_per_second=chosen.paced_tokens_per_second)
        return PacedEngine(chosen.served_name, chosen.paced_tokens_per_second)
    started = time.monotonic()
    model = model_file(chosen)
    server = native.load(chosen, model)
    _log.info("loaded", model=str(model), seconds=round(time.monotonic() - started, 3))
    return native.NativeEngine(server, chosen.request_seconds)


async def _run(chosen: options.Options) -> None:
    await serve(chosen, _engine(chosen))


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(0)


def main() -> int:
    # Process 1 of a container ignores SIGTERM unless it says otherwise; this covers the loading.
    signal.signal(signal.SIGTERM, _leave)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        cache_logger_on_first_use=True,
    )
    chosen = options.parse(sys.argv[1:])
    if chosen.faults != options.Faults():
        _log.warning("faults are injected on purpose", faults=str(chosen.faults))
    try:
        asyncio.run(_run(chosen))
    except ModelError as problem:
        _log.error("cannot start", problem=str(problem))
        return 1
    except OSError as problem:
        _log.error(
            "cannot listen",
            problem=f"--port {chosen.port} on --host {chosen.host}: {problem.strerror}; "
            "free the port or choose another",
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
