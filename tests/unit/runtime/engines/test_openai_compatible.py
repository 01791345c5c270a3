"""llama.cpp and vLLM pods: what is asked, what is answered, and every way to fail."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from crds.ensemble import Sampling
from runtime.engines import EngineError, FailureKind, Prompt, collect
from runtime.engines.openai_compatible import OpenAICompatible
from tests.unit.runtime.stubs.engine import Behaviour, Stub, running
from tests.unit.runtime.stubs.waiting import eventually

PROSE = Prompt("You are the bard.", "What happens?", Sampling(max_tokens=20))
CHOICE = Prompt(
    "You are the bard.",
    "Fight or flee?",
    Sampling(temperature="0.5", top_p="0.9", seed=7, max_tokens=4),
    options=("Fight with all your strength", "Flee"),
    traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01",
)


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    async with running(Stub()) as stub:
        yield stub


@pytest.fixture
async def engine(stub: Stub) -> AsyncIterator[OpenAICompatible]:
    async with aiohttp.ClientSession() as http:
        yield OpenAICompatible(http, stub.url, "small", repetition_penalty=0.5)


async def test_an_answer_comes_with_its_tokens(engine: OpenAICompatible, stub: Stub) -> None:
    stub.answer = "The gate opens."
    reply = await collect(engine, PROSE)
    assert (reply.text, reply.clipped) == ("The gate opens.", False)
    assert (reply.prompt_tokens, reply.completion_tokens) == (40, 7)


async def test_prose_is_asked_as_a_stream_and_held_back_from_loops(
    engine: OpenAICompatible, stub: Stub
) -> None:
    await collect(engine, PROSE)
    asked = stub.asked[0]
    assert asked["stream"] is True
    assert (asked["model"], asked["max_tokens"]) == ("small", 20)
    assert asked["frequency_penalty"] == 0.5
    assert "temperature" not in asked


async def test_a_choice_is_bound_to_the_options_and_never_cut(
    engine: OpenAICompatible, stub: Stub
) -> None:
    await collect(engine, CHOICE)
    asked = stub.asked[0]
    schema = asked["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["choice"]["enum"] == list(CHOICE.options or ())
    assert asked["max_tokens"] > len("Fight with all your strength")
    assert (asked["temperature"], asked["top_p"], asked["seed"]) == (0.5, 0.9, 7)
    assert "frequency_penalty" not in asked
    assert stub.headers[0]["traceparent"] == CHOICE.traceparent


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        ("empty", "Empty"),
        ("error", "Status"),
        ("bad-request", "Status"),
        ("cut", "CutStream"),
        ("no-finish", "CutStream"),
        ("abort", "Aborted"),
        ("json-error", "Aborted"),
        ("garbage", "Protocol"),
        ("long-line", "Protocol"),
        ("not-openai", "Protocol"),
    ],
)
async def test_each_failure_has_its_name(
    engine: OpenAICompatible, stub: Stub, behaviour: Behaviour, kind: FailureKind
) -> None:
    stub.behaviour = behaviour
    with pytest.raises(EngineError) as failed:
        await collect(engine, PROSE)
    assert failed.value.kind == kind
    assert failed.value.blames_member == (behaviour != "bad-request")


async def test_nobody_listening_is_a_failure_to_connect() -> None:
    async with running(Stub()) as stub:
        url = stub.url
    async with aiohttp.ClientSession() as http:
        engine = OpenAICompatible(http, url, "small")
        with pytest.raises(EngineError, match="Connect"):
            await collect(engine, PROSE)
        with pytest.raises(EngineError, match="Connect"):
            await engine.check()


async def test_leaving_stops_the_generation(engine: OpenAICompatible, stub: Stub) -> None:
    stub.behaviour = "slow"
    asking = asyncio.create_task(collect(engine, PROSE))
    await eventually(lambda: stub.asked)
    asking.cancel()
    await eventually(lambda: stub.cancelled)


async def test_an_unready_engine_says_so(engine: OpenAICompatible, stub: Stub) -> None:
    await engine.check()
    stub.ready = False
    with pytest.raises(EngineError, match="/readyz answers 503"):
        await engine.check()


async def test_a_frozen_engine_accepts_connections_and_is_found_out(
    engine: OpenAICompatible, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.engines.openai_compatible.CHECK_SECONDS", 0.05)
    stub.frozen = True
    with pytest.raises(EngineError, match="accepts connections and does nothing"):
        await engine.check()


def test_the_token_bound_of_a_choice_counts_bytes() -> None:
    prompt = Prompt("", "", Sampling(max_tokens=1), options=("火", "门" * 40))
    assert prompt.max_tokens >= len(("门" * 40).encode())
