"""Three gateways, one Redis, more requests than money: what is served is exactly what is paid."""

import asyncio
import itertools
import multiprocessing
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from crds.engines import Price
from crds.routes import Route
from runtime.limits.money import dollars
from tests.unit.runtime.stubs.engine import Stub, running
from tests.unit.runtime.stubs.gateway import write_config, write_routes
from tests.unit.runtime.stubs.process import start
from tests.unit.runtime.stubs.redis import free_port

REPLICAS = 3
TOKENS = 100
#: Of a client that is told to come again.
MAX_PAUSE_SECONDS = 60
#: Micro-dollars of one answer: so many tokens at ten dollars for a million.
PRICE = 10 * TOKENS
#: Ten thousand requests at a budget for a thousand in `make soak`.
ALL = pytest.mark.parametrize(
    "afforded", [30, pytest.param(1000, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])]
)
#: The way to Redis, and how the decisions come about.
Play = tuple["Redis", "asyncio.Future[list[str]]"]
ASK = {"question": "Does it rain?", "options": ["yes", "no"]}


def told(folder: Path, url: str, afforded: int) -> None:
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
    write_config(folder, limits={"dailyUSD": dollars(afforded * PRICE)}, replicas=REPLICAS)
    write_routes(folder, [], routes=[route], timeout_seconds=300, minimum_votes=1)


@asynccontextmanager
async def replicas(folder: Path, url: str) -> AsyncIterator[list[str]]:
    """Their addresses."""
    (folder / "redis").write_text(url)
    ports = [free_port() for _ in range(REPLICAS)]
    environment = {
        "FABULA_REDIS_URL_FILE": str(folder / "redis"),
        "FABULA_STORYTELLER": "bard",
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


async def persist(
    http: aiohttp.ClientSession, url: str, body: dict[str, Any], key: str
) -> dict[str, Any]:
    """An answer, asked for again with the same key while a gateway has too much to do."""
    headers = {"idempotency-key": key}
    for attempt in itertools.count():
        async with http.post(url, json=body, headers=headers) as answer:
            if answer.status in (200, 201):
                return dict(await answer.json())
            assert answer.status in (409, 503), await answer.text()
        pause = min(MAX_PAUSE_SECONDS, int(answer.headers["retry-after"]) * 2**attempt)
        await asyncio.sleep(pause * random.uniform(0.5, 1.5))
    raise AssertionError


async def begin(http: aiohttp.ClientSession, gateway: str, places: asyncio.Semaphore) -> str:
    """A session: the address of its decisions."""
    async with places:
        session = await persist(http, f"{gateway}/v1/sessions", {}, "begin")
    return f"{gateway}/v1/sessions/{session['id']}/decisions"


async def decide(http: aiohttp.ClientSession, url: str) -> str:
    """How a decision came about: by a vote, or by the fallback for want of money. A gateway that is
    too busy to hear its member tells the fallback too, which costs nothing: that is asked again."""
    for turn in itertools.count(1):
        decision = await persist(http, url, ASK, f"turn-{turn}")
        if decision["outcome"] != "Fallback" or "limits.dailyUSD" in decision["votes"][0]["error"]:
            return str(decision["outcome"])
        await asyncio.sleep(random.uniform(0.5, 1.5))
    raise AssertionError


def engine(pipe: "Connection[str, str]", *, vary: bool) -> None:
    """An engine in a process of its own, so that it answers however busy this one is."""
    stub = Stub(completion_tokens=TOKENS)

    def of_any_length(asked: dict[str, Any]) -> str:
        stub.completion_tokens = random.randint(1, TOKENS)
        return stub.answer

    async def serve() -> None:
        if vary:
            stub.say = of_any_length
        async with running(stub):
            pipe.send(stub.url)
            await asyncio.Event().wait()

    asyncio.run(serve())


@contextmanager
def engine_process(*, vary: bool) -> Iterator[str]:
    """Its address."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=engine, args=(there,), kwargs={"vary": vary}
    )
    process.start()
    try:
        yield here.recv()
    finally:
        process.kill()
        process.join()


@asynccontextmanager
async def playing(folder: Path, redis: str, afforded: int, *, vary: bool) -> AsyncIterator[Play]:
    """Ten times as many questions as there is money for, all asked at once."""
    requests = 10 * afforded
    with engine_process(vary=vary) as url:
        told(folder, url, afforded)
        async with (
            Redis.from_url(redis, decode_responses=True) as client,
            replicas(folder, redis) as gateways,
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None)
            ) as http,
        ):
            await client.flushall()
            places = asyncio.Semaphore(32)
            urls = await asyncio.gather(
                *(begin(http, gateways[at % REPLICAS], places) for at in range(requests))
            )
            outcomes = asyncio.gather(*(decide(http, url) for url in urls))
            yield client, outcomes


async def balance(client: "Redis") -> tuple[int, int]:
    """Micro-dollars that are spent and reserved today."""
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    key = f"fabula:{{default/emberfall}}:money:storyteller/bard:{today}"
    spent, reserved = await client.hmget(key, ["spent", "reserved"])
    return int(spent or 0), int(reserved or 0)


@ALL
async def test_gateways_serve_exactly_as_many_as_the_budget_is_for(
    tmp_path: Path, redis_url: str, afforded: int
) -> None:
    async with playing(tmp_path, redis_url, afforded, vary=False) as (client, outcomes):
        made = await outcomes
        assert (made.count("Vote"), made.count("Fallback")) == (afforded, 9 * afforded)
        assert await balance(client) == (afforded * PRICE, 0)


@ALL
async def test_whatever_answers_cost_the_cap_is_never_passed(
    tmp_path: Path, redis_url: str, afforded: int
) -> None:
    async with playing(tmp_path, redis_url, afforded, vary=True) as (client, outcomes):
        looks = set()
        while not outcomes.done():
            looks.add(await balance(client))
        assert len(looks) > 2  # it was seen on the way, however busy this process is
        assert max(map(sum, looks)) <= afforded * PRICE
        assert (await outcomes).count("Vote") >= afforded
        spent, reserved = await balance(client)
        assert spent <= afforded * PRICE
        assert reserved == 0
