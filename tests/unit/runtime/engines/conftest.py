"""The engines under contract, and what stands behind them: the protocols of the providers on
loopback."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

from crds.engines import EngineKind
from crds.routes import Route
from runtime.engines import Engine, engine_for
from tests.unit.runtime.stubs.hosted import Provider, providing

#: Who is asked over the protocol server; all of them keep the same contract.
KINDS: tuple[EngineKind, ...] = ("llamacpp", "vllm", "openai", "anthropic", "google")
KEY = "first-key"

Make = Callable[[EngineKind, str], Engine]


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with providing(Provider()) as provider:
        yield provider


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "api-key"
    path.write_text(f"{KEY}\n")
    return path


@pytest.fixture
async def make(key: Path) -> AsyncIterator[Make]:
    """Engines by kind and address."""
    made: list[Engine] = []
    async with aiohttp.ClientSession() as http:

        def engine(kind: EngineKind, url: str) -> Engine:
            route = Route(
                member="oracle",
                revision="0000000a",
                weight=1,
                engine=kind,
                model="some-model",
                url=url,
                key_file=str(key),
                key_secret="the-secret",
                timeout_seconds=5,
            )
            made.append(engine_for(route, http))
            return made[-1]

        yield engine
        for each in made:
            await each.close()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> EngineKind:
    found: EngineKind = request.param
    return found


@pytest.fixture
def engine(kind: EngineKind, make: Make, provider: Provider) -> Engine:
    return make(kind, provider.url)
