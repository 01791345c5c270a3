"""The start-up check: the model must generate one token before anybody relies on it."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any, Protocol

from runtime.llamacpp.chunks import error

_REQUEST = {"messages": [{"role": "user", "content": "Say yes."}], "max_tokens": 1}


class Engine(Protocol):
    """What can answer: llama.cpp, or its paced stand-in."""

    def stream(self, request: Mapping[str, Any]) -> AsyncGenerator[bytes]: ...

    async def metrics(self) -> str: ...

    async def close(self) -> None: ...


class Warmup:
    """Asks once and remembers success; a failure is asked again by the next caller.

    Callers share one attempt and may leave: a probe gives up after a second or two, while the first
    token of a large model takes longer.
    """

    def __init__(self, engine: Engine, done: Callable[[], None] = lambda: None) -> None:
        self._engine = engine
        self._done = done
        self._attempt: asyncio.Task[None] | None = None
        self.warm = False

    async def check(self) -> None:
        """Return when the engine is warm; raise EngineError when it could not answer."""
        if self.warm:
            return
        if self._attempt is None or self._attempt.done():
            self._attempt = asyncio.create_task(self._ask(), name="warm-up")
        await asyncio.shield(self._attempt)

    async def _ask(self) -> None:
        count = 0
        async with aclosing(self._engine.stream(_REQUEST)) as chunks:
            async for _ in chunks:
                count += 1
        if count == 0:
            raise error(502, "the model ended its first answer without a token", "engine_error")
        self.warm = True
        self._done()

    async def stop(self) -> None:
        if self._attempt is not None and not self._attempt.done():
            self._attempt.cancel()
            await asyncio.gather(self._attempt, return_exceptions=True)
