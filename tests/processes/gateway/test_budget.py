"""Three gateways, one Redis, more requests than money: what is served is exactly what is paid."""

import asyncio
import multiprocessing
import os
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import aiohttp
from redis.asyncio import Redis

from crds.engines import Price
from crds.routes import Route
from runtime.limits.money import dollars
from tests.unit.runtime.stubs.engine import Stub, running
from tests.unit.runtime.stubs.gateway import write_config, write_routes
from tests.unit.runtime.stubs.process import start
from tests.unit.runtime.stubs.redis import free_port

REPLICAS = 3
#: A thousand of ten thousand with FABULA_TEST_BUDGET=1000.
AFFORDED = int(os.environ.get("FABULA_TEST_BUDGET", "30"))
REQUESTS = 10 * AFFORDED
TOKENS = 100
#: Micro-dollars of one answer: so many tokens at ten dollars for a million.
PRICE = 10 * TOKENS
ASK = {"question": "Does it rain?", "options": ["yes", "no"]}


def told(folder: Path, url: str) -> None:
    """One member, whose answers all cost the same."""
    route = Route(
        member="chronicler",
        revision="0000000a",
        weight=1,
        engine="llamacpp",
        model="small",
        url=url,
        sampling={"maxTokens": TOKENS},  # type: ignore[arg-type]
        timeout_seconds=300,
        price=Price(input_per_million_usd="0", output_per_million_usd="10"),
    )
    write_config(folder, limits={"dailyUSD": dollars(AFFORDED * PRICE)}, replicas=REPLICAS)
    write_routes(folder, [], routes=[route], timeout_seconds=300, minimum_votes=1)


@asynccontextmanager
async def replicas(folder: Path, url: str) -> AsyncIterator[list[str]]:
    """Their addresses."""
    (folder / "redis").write_text(url)
    ports = [free_port() for _ in range(REPLICAS)]
    environment = {
        "FABULA_REDIS_URL_FILE": str(folder / "redis"),
        "FABULA_STORYTELLER": "bard",
        "FABULA_MAX_WAITING": str(REQUESTS),
        "FABULA_LOG_LEVEL": "error",
    }
    made = await asyncio.gather(
        *(asyncio.to_thread(start, folder, port, environment, f"data-{port}") for port in ports)
    )
    # Whatever they print must go somewhere, or they wait for a reader.
    readers = [asyncio.create_task(asyncio.to_thread(each.communicate)) for each in made]
    try:
        yield [f"http://127.0.0.1:{port}" for port in ports]
    finally:
        for process in made:
            process.kill()
        await asyncio.gather(*readers)


async def persist(http: aiohttp.ClientSession, url: str, body: dict[str, Any]) -> dict[str, Any]:
    """An answer, asked for again with the same key while a gateway has too much to do."""
    headers = {"idempotency-key": "turn-1"}
    while True:
        async with http.post(url, json=body, headers=headers) as answer:
            if answer.status in (200, 201):
                return dict(await answer.json())
            assert answer.status in (409, 503), await answer.text()
        await asyncio.sleep(random.uniform(0.5, 1.5) * int(answer.headers["retry-after"]))


async def begin(http: aiohttp.ClientSession, gateway: str, places: asyncio.Semaphore) -> str:
    """A session: the address of its decisions."""
    async with places:
        session = await persist(http, f"{gateway}/v1/sessions", {})
    return f"{gateway}/v1/sessions/{session['id']}/decisions"


async def decide(http: aiohttp.ClientSession, url: str) -> str:
    """How a decision came about."""
    decision = await persist(http, url, ASK)
    if decision["outcome"] == "Fallback":
        assert "limits.dailyUSD" in decision["votes"][0]["error"]
    return str(decision["outcome"])


def engine(pipe: "Connection[str, str]") -> None:
    """An engine in a process of its own, so that it answers however busy this one is."""

    async def serve() -> None:
        async with running(Stub(completion_tokens=TOKENS)) as stub:
            pipe.send(stub.url)
            await asyncio.Event().wait()

    asyncio.run(serve())


@contextmanager
def engine_process() -> Iterator[str]:
    """Its address."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=engine, args=(there,))
    process.start()
    try:
        yield here.recv()
    finally:
        process.kill()
        process.join()


async def test_gateways_serve_exactly_as_many_as_the_budget_is_for(
    tmp_path: Path, redis_url: str
) -> None:
    with engine_process() as url:
        told(tmp_path, url)
        async with (
            Redis.from_url(redis_url, decode_responses=True) as client,
            replicas(tmp_path, redis_url) as gateways,
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=900)
            ) as http,
        ):
            await client.flushall()
            places = asyncio.Semaphore(32)
            urls = await asyncio.gather(
                *(begin(http, gateways[at % REPLICAS], places) for at in range(REQUESTS))
            )
            outcomes = await asyncio.gather(*(decide(http, url) for url in urls))
            assert outcomes.count("Vote") == AFFORDED
            assert outcomes.count("Fallback") == REQUESTS - AFFORDED
            today = f"{datetime.now(UTC):%Y-%m-%d}"
            key = f"fabula:{{default/emberfall}}:money:storyteller/bard:{today}"
            assert await client.hgetall(key) == {"spent": str(AFFORDED * PRICE), "reserved": "0"}
