"""What is particular to pods: how prose is kept from loops, traces, probes."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from crds.ensemble import Sampling
from runtime.engines import EngineError, Prompt, collect
from runtime.engines.openai_compatible import OpenAICompatible, Pod
from tests.unit.runtime.stubs.engine import Stub, running

PROSE = Prompt.of("You are the bard.", "What happens?", Sampling(max_tokens=20))
CHOICE = Prompt.of(
    "You are the bard.",
    "Fight or flee?",
    Sampling(),
    options=("Fight", "Flee"),
    logprobs=True,
    traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01",
)


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    async with running(Stub()) as stub:
        yield stub


@pytest.fixture
async def engine(stub: Stub) -> AsyncIterator[OpenAICompatible]:
    async with aiohttp.ClientSession() as http:
        yield OpenAICompatible(http, Pod(stub.url, "small", frequency_penalty=0.5))


async def test_prose_is_asked_as_a_stream_and_held_back_from_loops(
    engine: OpenAICompatible, stub: Stub
) -> None:
    await collect(engine, PROSE, 5)
    asked = stub.asked[0]
    assert asked["stream"] is True
    assert (asked["model"], asked["max_tokens"]) == ("small", 20)
    assert asked["frequency_penalty"] == 0.5
    assert "temperature" not in asked
    assert "logprobs" not in asked


async def test_a_choice_is_not_and_keeps_its_trace(engine: OpenAICompatible, stub: Stub) -> None:
    await collect(engine, CHOICE, 5)
    assert "frequency_penalty" not in stub.asked[0]
    assert stub.asked[0]["logprobs"] is True
    assert stub.headers[0]["traceparent"] == CHOICE.traceparent


async def test_an_unready_engine_says_so(engine: OpenAICompatible, stub: Stub) -> None:
    await engine.check()
    stub.ready = False
    with pytest.raises(EngineError, match="/readyz answers 503"):
        await engine.check()


async def test_an_absent_engine_says_so() -> None:
    async with running(Stub()) as stub:
        url = stub.url
    async with aiohttp.ClientSession() as http:
        with pytest.raises(EngineError, match="Connect"):
            await OpenAICompatible(http, Pod(url, "small")).check()


async def test_a_frozen_engine_accepts_connections_and_is_found_out(
    engine: OpenAICompatible, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.engines.openai_compatible.CHECK_SECONDS", 0.05)
    stub.frozen = True
    with pytest.raises(EngineError, match="accepts connections and does nothing"):
        await engine.check()
