"""Gateways that are killed in mid-turn, and the client that repeats with its idempotency key."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.unit.runtime.stubs.engine import Stub, running
from tests.unit.runtime.stubs.gateway import write_config, write_routes
from tests.unit.runtime.stubs.process import kill, start
from tests.unit.runtime.stubs.redis import free_port
from tests.unit.runtime.stubs.waiting import eventually

ASK = {"question": "Does it rain?", "options": ["yes", "no"]}


@dataclass
class Replicas:
    """Gateway processes over the same files, each with its own volume."""

    folder: Path
    environment: dict[str, str]
    ports: list[int] = field(default_factory=lambda: [free_port(), free_port()])
    processes: dict[int, Any] = field(default_factory=dict)

    async def start(self, replica: int) -> None:
        self.processes[replica] = await asyncio.to_thread(
            start, self.folder, self.ports[replica], self.environment, f"data-{replica}"
        )

    async def kill(self, replica: int) -> None:
        await asyncio.to_thread(kill, self.processes.pop(replica))

    def client(self, replica: int) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.ports[replica]}", timeout=20)


@asynccontextmanager
async def replicas(
    folder: Path, stub: Stub, count: int, settings: dict[str, Any]
) -> AsyncIterator[Replicas]:
    """So many of them, with one engine behind them."""
    write_config(folder)
    write_routes(folder, [stub])
    names = {"redis_url_file": "FABULA_REDIS_URL_FILE", "storyteller": "FABULA_STORYTELLER"}
    made = Replicas(folder, {names[key]: str(value) for key, value in settings.items()})
    try:
        for replica in range(count):
            await made.start(replica)
        yield made
    finally:
        for process in made.processes.values():
            await asyncio.to_thread(kill, process)


async def persist(ask: Callable[[], Any], seconds: float = 20.0) -> httpx.Response:
    """Repeat with the same key until there is an answer, as clients are told to."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                answer: httpx.Response = await ask()
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            if answer.status_code == 200:
                return answer
            assert answer.status_code in (409, 503), answer.text
            assert int(answer.headers["retry-after"]) > 0
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("kind", ["embedded", "redis"])
async def test_a_gateway_killed_in_mid_turn_leaves_no_gap_and_no_double(
    kind: str, tmp_path: Path, redis_store: dict[str, Any]
) -> None:
    async with AsyncExitStack() as stack:
        stub = await stack.enter_async_context(running(Stub(answer="yes")))
        settings = redis_store if kind == "redis" else {}
        house = await stack.enter_async_context(replicas(tmp_path, stub, 1, settings))
        client = await stack.enter_async_context(house.client(0))
        session = (await client.post("/v1/sessions")).json()["id"]
        url = f"/v1/sessions/{session}/decisions"

        def ask(turn: int) -> Any:
            return client.post(url, json=ASK, headers={"idempotency-key": f"turn-{turn}"})

        made = [(await ask(1)).json()["id"]]
        stub.behaviour = "slow"
        asked = len(stub.asked)
        asking = asyncio.create_task(ask(2))
        await eventually(lambda: len(stub.asked) > asked)
        await house.kill(0)
        with pytest.raises(httpx.TransportError):
            await asking
        stub.behaviour = "good"
        await house.start(0)
        made.append((await persist(lambda: ask(2))).json()["id"])
        made.append((await persist(lambda: ask(3))).json()["id"])
        assert (await persist(lambda: ask(1))).json()["id"] == made[0]
        assert (await client.get(f"/v1/sessions/{session}")).json()["turns"] == 3
        listed = (await client.get("/v1/decisions", params={"session": session})).json()
        assert [each["id"] for each in listed["decisions"]] == made[::-1]


async def test_another_replica_tells_the_turn_of_one_that_was_killed(
    tmp_path: Path, redis_store: dict[str, Any]
) -> None:
    async with AsyncExitStack() as stack:
        stub = await stack.enter_async_context(running(Stub(answer="yes")))
        house = await stack.enter_async_context(replicas(tmp_path, stub, 2, redis_store))
        one, other = [await stack.enter_async_context(house.client(each)) for each in (0, 1)]
        session = (await one.post("/v1/sessions")).json()["id"]
        url = f"/v1/sessions/{session}/decisions"
        headers = {"idempotency-key": "turn-2"}
        first = (await one.post(url, json=ASK, headers={"idempotency-key": "turn-1"})).json()
        again = await other.post(url, json=ASK, headers={"idempotency-key": "turn-1"})
        assert again.json() == first
        stub.behaviour = "slow"
        asked = len(stub.asked)
        asking = asyncio.create_task(one.post(url, json=ASK, headers=headers))
        await eventually(lambda: len(stub.asked) > asked)
        refused = await other.post(url, json=ASK, headers=headers)
        assert refused.status_code == 409
        assert "turn-under-way" in refused.text
        await house.kill(0)
        with pytest.raises(httpx.TransportError):
            await asking
        stub.behaviour = "good"
        second = (await persist(lambda: other.post(url, json=ASK, headers=headers))).json()
        await house.start(0)
        assert (await persist(lambda: one.post(url, json=ASK, headers=headers))).json() == second
        listed = (await other.get(f"/v1/sessions/{session}")).json()
        assert listed["turns"] == 2


async def test_a_client_that_moves_between_replicas_that_die_sees_one_story(
    tmp_path: Path, redis_store: dict[str, Any]
) -> None:
    async with AsyncExitStack() as stack:
        stub = await stack.enter_async_context(running(Stub(answer="yes")))
        house = await stack.enter_async_context(replicas(tmp_path, stub, 2, redis_store))
        clients = [await stack.enter_async_context(house.client(each)) for each in (0, 1)]
        session = (await clients[0].post("/v1/sessions")).json()["id"]
        url = f"/v1/sessions/{session}/decisions"
        turns = iter(range(10**6))
        made: list[str] = []

        async def play() -> None:
            for turn in range(60):
                headers = {"idempotency-key": f"turn-{turn}"}
                answer = await persist(
                    lambda headers=headers: clients[next(turns) % 2].post(  # type: ignore[misc]
                        url, json=ASK, headers=headers
                    )
                )
                made.append(answer.json()["id"])

        playing = asyncio.create_task(play())
        for replica, turn in ((0, 10), (1, 30)):
            await eventually(lambda turn=turn: len(made) >= turn)  # type: ignore[misc]
            await house.kill(replica)
            await house.start(replica)
        await playing
        assert len(set(made)) == 60
        assert (await clients[0].get(f"/v1/sessions/{session}")).json()["turns"] == 60
