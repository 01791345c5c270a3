"""One suite over the three providers' SDKs: the same answers, the same failures."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from crds.engines import EngineKind
from crds.ensemble import Sampling
from crds.routes import Route
from runtime.engines import Engine, EngineError, FailureKind, Prompt, collect, engine_for
from tests.unit.runtime.stubs.hosted import Provider, Trouble, providing

# The SDKs' own, at import.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

PROSE = Prompt(
    "You are the bard.",
    "What happens?",
    Sampling(temperature="0.5", top_p="0.9", seed=7, max_tokens=50),
)
CHOICE = Prompt("You are the bard.", "Fight or flee?", Sampling(), options=("Fight", "Flee"))


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with providing(Provider()) as provider:
        yield provider


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "api-key"
    path.write_text("first-key\n")
    return path


@pytest.fixture(params=["openai", "anthropic", "google"])
async def engine(
    request: pytest.FixtureRequest, provider: Provider, key: Path
) -> AsyncIterator[Engine]:
    kind: EngineKind = request.param
    route = Route(
        member="oracle",
        revision="0000000a",
        weight=1,
        engine=kind,
        model="some-model",
        url=provider.url,
        key_file=str(key),
        key_secret="the-secret",
        timeout_seconds=5,
    )
    async with aiohttp.ClientSession() as http:
        engine = engine_for(route, http)
        yield engine
        await engine.close()


async def test_prose_comes_whole_with_its_tokens(engine: Engine, provider: Provider) -> None:
    reply = await collect(engine, PROSE)
    assert (reply.text, reply.clipped) == ("The gate opens.", False)
    assert (reply.prompt_tokens, reply.completion_tokens) == (40, 7)
    asked = str(provider.asked[0])
    assert "You are the bard." in asked
    assert "What happens?" in asked
    assert "0.5" in asked
    assert "50" in asked


async def test_a_choice_is_bound_to_the_options(engine: Engine, provider: Provider) -> None:
    provider.answer = '{"choice": "Flee"}'
    assert (await collect(engine, CHOICE)).text == '{"choice": "Flee"}'
    assert "'enum': ['Fight', 'Flee']" in str(provider.asked[0])


@pytest.mark.parametrize(
    ("trouble", "kind", "blames"),
    [
        ("bad-key", "Status", True),
        ("no-access", "Status", True),
        ("rate-limit", "Status", True),
        ("server-error", "Status", True),
        ("bad-request", "Status", False),
        ("cut", "CutStream", True),
        ("garbage", "Protocol", True),
        ("refusal", "Aborted", True),
    ],
)
async def test_each_failure_has_its_name_and_is_not_tried_again(
    engine: Engine, provider: Provider, trouble: Trouble, kind: FailureKind, blames: bool
) -> None:
    provider.trouble = trouble
    with pytest.raises(EngineError) as failed:
        await collect(engine, PROSE)
    assert (failed.value.kind, failed.value.blames_member) == (kind, blames)
    assert "first-key" not in str(failed.value)
    assert len(provider.asked) == 1


@pytest.mark.parametrize("trouble", ["bad-key", "no-access"])
async def test_a_refused_key_names_the_secret_and_not_the_providers_words(
    engine: Engine, provider: Provider, trouble: Trouble
) -> None:
    provider.trouble = trouble
    with pytest.raises(
        EngineError, match="the API key in Secret the-secret, key api-key"
    ) as failed:
        await collect(engine, PROSE)
    assert "told to fail" not in str(failed.value)


async def test_nobody_listening_is_a_failure_to_connect(key: Path) -> None:
    async with providing(Provider()) as provider:
        url = provider.url
    async with aiohttp.ClientSession() as http:
        for kind in ("openai", "anthropic", "google"):
            route = Route.model_validate(
                {
                    "member": "oracle", "revision": "a", "weight": 1, "engine": kind,
                    "model": "m", "url": url, "keyFile": str(key), "timeoutSeconds": 5,
                }
            )  # fmt: skip
            engine = engine_for(route, http)
            with pytest.raises(EngineError, match="Connect"):
                await collect(engine, PROSE)
            await engine.close()


async def test_the_key_is_read_again_when_it_rotates(
    engine: Engine, provider: Provider, key: Path
) -> None:
    await collect(engine, PROSE)
    await asyncio.to_thread(key.write_text, "second-key")
    await collect(engine, PROSE)
    assert provider.keys == ["first-key", "second-key"]


async def test_a_missing_key_names_the_secret_and_the_command(
    engine: Engine, provider: Provider, key: Path
) -> None:
    await engine.check()
    await asyncio.to_thread(key.unlink)
    for asking in (engine.check(), collect(engine, PROSE)):
        with pytest.raises(EngineError, match="kubectl create secret generic the-secret") as failed:
            await asking
        assert failed.value.kind == "MissingKey"
    assert provider.asked == []
