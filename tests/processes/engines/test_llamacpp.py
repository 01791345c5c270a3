"""The contract with llama.cpp itself, as its pod runs it."""

import asyncio
import json
from collections.abc import Callable

import aiohttp
import pytest

from crds.ensemble import Sampling
from runtime.engines import Chunk, Engine, EngineError, Message, Prompt, collect
from tests.unit.runtime.engines.conftest import Make

PROSE = Prompt.of("You are the bard.", "What happens?", Sampling(seed=7, max_tokens=24))
CHOICE = Prompt.of(
    "You are the bard.", "Fight or flee?", Sampling(seed=7), options=("Fight", "Flee"),
    logprobs=True,
)  # fmt: skip


@pytest.fixture
def engine(make: Make, llamacpp_url: str) -> Engine:
    return make("llamacpp", llamacpp_url)


async def test_it_can_answer(engine: Engine) -> None:
    await engine.check()


async def test_prose_is_cut_at_its_limit_and_counted(engine: Engine) -> None:
    heard: list[Chunk] = []
    reply = await collect(engine, PROSE, 30, hear=heard.append)
    assert reply.clipped
    assert reply.usage.completion == 24
    assert 0 < (reply.usage.prompt or 0) <= PROSE.most_tokens
    assert len(heard) > 1
    assert "".join(chunk.text for chunk in heard).strip() == reply.text
    assert reply.certainty is None


async def test_a_choice_comes_with_how_sure_it_is(engine: Engine) -> None:
    reply = await collect(engine, CHOICE, 30)
    assert json.loads(reply.text)["choice"] in (CHOICE.options or ())
    assert 0 < (reply.certainty or 0) <= 1


async def test_an_answer_ends_at_a_stop(engine: Engine) -> None:
    whole = (await collect(engine, PROSE, 30)).text
    word = whole.split()[4]
    prompt = Prompt(PROSE.messages, PROSE.sampling, stop=(word,))
    reply = await collect(engine, prompt, 30)
    assert not reply.clipped
    assert word not in reply.text
    assert whole.startswith(reply.text)


async def test_it_goes_on_with_a_conversation(engine: Engine) -> None:
    talk = (*PROSE.messages, Message("assistant", "A gate opens."), Message("user", "And then?"))
    prompt = Prompt(talk, Sampling(max_tokens=4))
    more = await collect(engine, prompt, 30)
    once = await collect(engine, PROSE, 30)
    assert (more.usage.prompt or 0) > (once.usage.prompt or 0)


async def test_a_prompt_beyond_its_window_is_the_requests_fault(engine: Engine) -> None:
    prompt = Prompt.of("You are the bard.", "word " * 2000, Sampling(max_tokens=4))
    with pytest.raises(EngineError) as failed:
        await collect(engine, prompt, 30)
    assert (failed.value.kind, failed.value.blames_member) == ("Status", False)


async def test_leaving_stops_the_model(engine: Engine, llamacpp_url: str) -> None:
    heard: list[Chunk] = []
    prompt = Prompt(PROSE.messages, Sampling(max_tokens=800))
    asking = asyncio.create_task(collect(engine, prompt, 60, hear=heard.append))
    async with aiohttp.ClientSession() as http, asyncio.timeout(20):

        async def in_flight(wanted: Callable[[float], bool]) -> None:
            while True:
                async with http.get(f"{llamacpp_url}/metrics") as answer:
                    lines = (await answer.text()).splitlines()
                name = "fabula_engine_in_flight "
                if wanted(float(next(x for x in lines if x.startswith(name)).split()[1])):
                    return

        await in_flight(lambda count: count == 1)
        asking.cancel()
        await in_flight(lambda count: count == 0)


async def test_a_pod_makes_no_embeddings(engine: Engine) -> None:
    with pytest.raises(EngineError) as failed:
        await engine.embed(["The gate opens."], 5)
    assert failed.value.kind == "NotOffered"
