"""The start-up check: one attempt shared by all, success remembered, failure asked again."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import pytest

from runtime.llamacpp.chunks import EngineError, error
from runtime.llamacpp.warmup import Warmup


class Engine:
    """Answers its requests with what it is given, when it is let."""

    def __init__(self, *answers: list[bytes] | EngineError) -> None:
        self.answers = list(answers)
        self.asked: list[Mapping[str, Any]] = []
        self.go = asyncio.Event()

    async def stream(self, request: Mapping[str, Any]) -> AsyncGenerator[bytes]:
        self.asked.append(request)
        await self.go.wait()
        answer = self.answers.pop(0)
        if isinstance(answer, EngineError):
            raise answer
        for chunk in answer:
            yield chunk

    async def metrics(self) -> str:
        return ""

    async def close(self) -> None:
        return


async def test_one_token_warms_and_is_asked_for_once() -> None:
    engine, told = Engine([b"{}"]), []
    warmup = Warmup(engine, done=lambda: told.append(True))
    engine.go.set()
    await warmup.check()
    await warmup.check()
    assert warmup.warm
    assert told == [True]
    assert [request["max_tokens"] for request in engine.asked] == [1]


async def test_a_probe_that_gives_up_does_not_stop_the_attempt() -> None:
    engine = Engine([b"{}"])
    warmup = Warmup(engine)
    first = asyncio.ensure_future(warmup.check())
    await asyncio.sleep(0)
    second = asyncio.ensure_future(warmup.check())
    await asyncio.sleep(0)
    first.cancel()
    engine.go.set()
    await second
    assert warmup.warm
    assert len(engine.asked) == 1


async def test_a_failure_is_reported_and_asked_again() -> None:
    engine = Engine(error(500, "out of memory", "engine_error"), [], [b"{}"])
    warmup = Warmup(engine)
    engine.go.set()
    with pytest.raises(EngineError, match="out of memory"):
        await warmup.check()
    with pytest.raises(EngineError, match="without a token"):
        await warmup.check()
    assert not warmup.warm
    await warmup.check()
    assert warmup.warm


async def test_stopping_ends_an_attempt_that_hangs() -> None:
    warmup = Warmup(Engine())
    waiting = asyncio.ensure_future(warmup.check())
    await asyncio.sleep(0)
    await warmup.stop()
    with pytest.raises(asyncio.CancelledError):
        await waiting
