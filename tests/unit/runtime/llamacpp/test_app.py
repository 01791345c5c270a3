"""The engine's HTTP interface, with the paced engine behind it."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientConnectionError, ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from runtime.llamacpp.app import EngineApp
from runtime.llamacpp.options import Faults, Options
from runtime.llamacpp.paced import PacedEngine

CHAT = "/v1/chat/completions"
QUESTION = {"messages": [{"role": "user", "content": "Who holds the bridge?"}]}
FAST = 1e6
SLOW = 0.5

Client = TestClient[Request, Application]
Start = Callable[..., Awaitable[tuple[EngineApp, Client]]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start an engine; it is stopped after the test."""
    async with AsyncExitStack() as stack:

        async def run(pace: float = FAST, **options: Any) -> tuple[EngineApp, Client]:
            app = EngineApp(Options(served_name="jester", **options), PacedEngine("jester", pace))
            server = TestServer(app.web_app(), handler_cancellation=True)
            client = await stack.enter_async_context(TestClient(server))
            stack.push_async_callback(app.warmup.stop)
            return app, client

        yield run


async def events(response: ClientResponse) -> list[str]:
    text = await response.text()
    assert text.endswith("\n\n")
    return [event.removeprefix("data: ") for event in text.strip().split("\n\n")]


async def metric(client: Client, name: str) -> float:
    text = await (await client.get("/metrics")).text()
    values = [line.rsplit(" ", 1)[1] for line in text.splitlines() if line.startswith(name)]
    return float(values[0]) if values else 0.0


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for happens behind a socket
            await asyncio.sleep(0)


class TestChat:
    async def test_an_answer_comes_whole(self, start: Start) -> None:
        _, client = await start()
        response = await client.post(CHAT, json=QUESTION)
        answer = await response.json()
        assert response.status == 200
        assert answer["model"] == "jester"
        assert answer["choices"][0]["message"]["content"]
        assert answer["usage"]["completion_tokens"] > 10

    async def test_a_stream_carries_the_same_answer(self, start: Start) -> None:
        _, client = await start()
        answer = await (await client.post(CHAT, json=QUESTION)).json()
        response = await client.post(CHAT, json=QUESTION | {"stream": True})
        assert response.content_type == "text/event-stream"
        *chunks, last = await events(response)
        assert last == "[DONE]"
        parsed = [json.loads(chunk) for chunk in chunks]
        assert all(chunk["object"] == "chat.completion.chunk" for chunk in parsed)
        text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in parsed)
        assert text == answer["choices"][0]["message"]["content"]

    async def test_a_stream_has_the_usage_only_when_asked(self, start: Start) -> None:
        _, client = await start()
        without = await events(await client.post(CHAT, json=QUESTION | {"stream": True}))
        assert not any('"usage"' in event for event in without)
        asked = QUESTION | {"stream": True, "stream_options": {"include_usage": True}}
        *_, usage, done = await events(await client.post(CHAT, json=asked))
        assert json.loads(usage)["usage"]["completion_tokens"] == len(without) - 3
        assert done == "[DONE]"

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (b"once upon a time", "not JSON"),
            (b"[]", "messages"),
            (b'{"messages": "hi"}', "messages"),
            (b"\xff\xfe", "not JSON"),
        ],
    )
    async def test_a_bad_request_is_told_what_is_wrong(
        self, start: Start, body: bytes, message: str
    ) -> None:
        _, client = await start()
        response = await client.post(CHAT, data=body)
        assert response.status == 400
        error = (await response.json())["error"]
        assert message in error["message"]
        assert error["type"] == "invalid_request_error"

    async def test_a_request_that_is_too_large_is_refused(self, start: Start) -> None:
        _, client = await start()
        response = await client.post(CHAT, data=io.BytesIO(b" " * (8 * 2**20 + 1)))
        assert response.status == 413
        assert "larger than" in (await response.json())["error"]["message"]

    @pytest.mark.parametrize("stream", [True, False])
    async def test_a_client_that_leaves_frees_its_slot(self, start: Start, stream: bool) -> None:
        app, client = await start(SLOW, parallel=1)
        asking = asyncio.ensure_future(client.post(CHAT, json=QUESTION | {"stream": stream}))
        await until(lambda: app.gate.in_flight == 1)
        if stream:
            (await asking).close()
        else:
            asking.cancel()
        await until(lambda: app.gate.in_flight == 0)
        name = 'fabula_engine_requests_total{outcome="cancelled"}'
        assert await metric(client, name) == 1

    async def test_a_full_queue_refuses_and_says_when_to_come_back(self, start: Start) -> None:
        app, client = await start(SLOW, parallel=1, max_waiting=0)
        asking = asyncio.ensure_future(client.post(CHAT, json=QUESTION))
        await until(lambda: app.gate.in_flight == 1)
        response = await client.post(CHAT, json=QUESTION)
        assert response.status == 503
        assert response.headers["Retry-After"] == "1"
        assert (await response.json())["error"]["type"] == "overloaded"
        asking.cancel()

    async def test_an_answer_that_takes_too_long_ends(self, start: Start) -> None:
        _, client = await start(SLOW, request_seconds=0.1)
        response = await client.post(CHAT, json=QUESTION)
        assert response.status == 504
        assert "--request-seconds 0.1" in (await response.json())["error"]["message"]

    async def test_nobody_is_worked_for_longer_than_they_wait(self, start: Start) -> None:
        _, client = await start(SLOW)
        waits = {"x-request-timeout-ms": "50"}
        response = await client.post(CHAT, json=QUESTION, headers=waits)
        assert response.status == 504
        _, client = await start()
        waits = {"x-request-timeout-ms": "soon"}
        assert (await client.post(CHAT, json=QUESTION, headers=waits)).status == 200

    async def test_a_stream_that_takes_too_long_ends_with_an_error(self, start: Start) -> None:
        _, client = await start(SLOW, request_seconds=0.1)
        response = await client.post(CHAT, json=QUESTION | {"stream": True})
        *_, last = await events(response)
        assert json.loads(last)["error"]["type"] == "timeout"


class TestProbes:
    async def test_ready_follows_the_first_token(self, start: Start) -> None:
        _, client = await start()
        assert (await client.get("/livez")).status == 200
        early = await client.get("/readyz")
        assert (early.status, await early.text()) == (
            503,
            "the model has not generated a token yet\n",
        )
        assert (await client.get("/startupz")).status == 200
        assert (await client.get("/readyz")).status == 200
        assert await metric(client, "fabula_engine_warm") == 1

    async def test_a_drain_is_not_ready_but_alive(self, start: Start) -> None:
        app, client = await start()
        await client.get("/startupz")
        assert await app.gate.drained(1)
        assert (await client.get("/readyz")).status == 503
        assert (await client.get("/livez")).status == 200
        response = await client.post(CHAT, json=QUESTION)
        assert response.status == 503
        assert (await response.json())["error"]["type"] == "draining"

    async def test_the_model_is_listed_under_its_name(self, start: Start) -> None:
        _, client = await start(context_tokens=2048)
        (model,) = (await (await client.get("/v1/models")).json())["data"]
        assert (model["id"], model["meta"]) == ("jester", {"n_ctx": 2048})

    async def test_progress_shows_while_an_answer_runs(self, start: Start) -> None:
        app, client = await start(200)
        asking = asyncio.ensure_future(client.post(CHAT, json=QUESTION))
        await until(lambda: app.gate.in_flight == 1)
        assert await metric(client, "fabula_engine_in_flight") == 1
        assert await metric(client, "fabula_engine_oldest_in_flight_seconds") > 0
        await asking
        assert await metric(client, "fabula_engine_tokens_total") > 10
        assert await metric(client, "fabula_engine_oldest_in_flight_seconds") == 0


class TestFaults:
    async def test_an_empty_answer_has_no_text(self, start: Start) -> None:
        _, client = await start(faults=Faults(empty_rate=1))
        answer = await (await client.post(CHAT, json=QUESTION)).json()
        assert answer["choices"][0]["message"]["content"] is None
        assert answer["choices"][0]["finish_reason"] == "stop"
        assert await metric(client, 'fabula_engine_faults_total{kind="empty"}') == 1

    async def test_garbage_is_no_instance_of_the_schema(self, start: Start) -> None:
        _, client = await start(faults=Faults(garbage_rate=1))
        wanted = {"type": "json_schema", "json_schema": {"schema": {"enum": ["a"]}}}
        answer = await (await client.post(CHAT, json=QUESTION | {"response_format": wanted})).json()
        with pytest.raises(ValueError, match="Expecting value"):
            json.loads(answer["choices"][0]["message"]["content"])

    async def test_a_hang_leaves_the_probes_well(self, start: Start) -> None:
        app, client = await start(faults=Faults(hang_after=1))
        assert (await client.post(CHAT, json=QUESTION)).status == 200
        asking = asyncio.ensure_future(client.post(CHAT, json=QUESTION))
        await until(lambda: app.gate.in_flight == 1)
        assert (await client.get("/livez")).status == 200
        assert (await client.get("/startupz")).status == 200
        assert (await client.get("/readyz")).status == 200
        assert await metric(client, "fabula_engine_oldest_in_flight_seconds") > 0
        assert not asking.done()
        asking.cancel()

    async def test_a_freeze_answers_nothing_at_all(self, start: Start) -> None:
        _, client = await start(faults=Faults(freeze=True))
        for path in ("/livez", "/readyz", "/startupz", "/metrics", "/v1/models"):
            with pytest.raises((TimeoutError, ClientConnectionError)):
                async with asyncio.timeout(0.05):
                    await client.get(path)

    async def test_latency_comes_before_the_answer(self, start: Start) -> None:
        _, client = await start(faults=Faults(latency_seconds=0.05))
        clock = asyncio.get_running_loop().time
        started = clock()
        assert (await client.post(CHAT, json=QUESTION)).status == 200
        assert clock() - started >= 0.05
        assert await metric(client, 'fabula_engine_faults_total{kind="latency"}') == 1

    async def test_two_engines_with_one_seed_fail_alike(self, start: Start) -> None:
        faults = Faults(seed=3, empty_rate=0.5)

        async def outcomes(faults: Faults) -> list[bool]:
            _, client = await start(faults=faults)
            answers = [await (await client.post(CHAT, json=QUESTION)).json() for _ in range(12)]
            return [answer["choices"][0]["message"]["content"] is None for answer in answers]

        first = await outcomes(faults)
        assert first == await outcomes(faults)
        assert first != await outcomes(replace(faults, seed=4))
        assert set(first) == {True, False}
