"""A decision is found whichever replica made it."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from runtime.gateway import peers
from runtime.gateway.peers import HEADER, Peers
from tests.unit.runtime.sessions.records import record
from tests.unit.runtime.stubs.engine import Stub
from tests.unit.runtime.stubs.gateway import house
from tests.unit.runtime.stubs.redis import free_port

MINE = record("s-1", 1)


class Neighbours(Peers):
    """Peers at addresses that a test knows."""

    addresses: list[str]

    async def _addresses(self) -> list[str]:
        return self.addresses


@asynccontextmanager
async def replica(address: str, port: int, *, silent: bool = False) -> AsyncIterator[list[bool]]:
    """One that has a decision, or accepts connections and says nothing."""
    asked: list[bool] = []
    app = web.Application()

    async def read(request: web.Request) -> web.Response:
        asked.append(HEADER in request.headers)
        if silent:
            await asyncio.Event().wait()
        if request.match_info["decision"] != MINE.id:
            return web.Response(status=404)
        return web.Response(text=MINE.model_dump_json(by_alias=True, exclude_none=True))

    app.router.add_get("/v1/decisions/{decision}", read)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, address, port).start()
    try:
        yield asked
    finally:
        await runner.cleanup()


@pytest.fixture
async def neighbours() -> AsyncIterator[tuple[Neighbours, int]]:
    port = free_port()
    async with aiohttp.ClientSession() as http:
        yield Neighbours(http, f"bard-gateway-peers:{port}"), port


async def test_the_first_who_has_it_answers_and_nobody_asks_further(
    neighbours: tuple[Neighbours, int],
) -> None:
    found, port = neighbours
    found.addresses = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    async with replica("127.0.0.1", port, silent=True), replica("127.0.0.2", port) as asked:
        assert await found.find(MINE.id) == MINE
        assert asked == [True]
        assert await asyncio.wait_for(found.find("d-9-00000000"), 5) is None


async def test_who_says_nothing_costs_a_bounded_time(
    neighbours: tuple[Neighbours, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "SECONDS", 0.05)
    found, port = neighbours
    found.addresses = ["127.0.0.1"]
    async with replica("127.0.0.1", port, silent=True):
        assert await found.find(MINE.id) is None


async def test_without_a_name_there_is_nobody_to_ask() -> None:
    async with aiohttp.ClientSession() as http:
        assert await Peers(http, None).find(MINE.id) is None
        assert await Peers(http, "nobody.invalid:80").find(MINE.id) is None


async def test_addresses_are_those_of_the_name() -> None:
    async with aiohttp.ClientSession() as http:
        assert await Peers(http, "127.0.0.1:80")._addresses() == ["127.0.0.1"]


async def test_a_gateway_reads_decisions_of_another_and_answers_a_peer_alone(
    tmp_path: Path, redis_url: str
) -> None:
    file = tmp_path / "url"
    file.write_text(redis_url)
    port = free_port()
    async with AsyncExitStack() as stack:
        asked = await stack.enter_async_context(replica("127.0.0.1", port))
        home = await stack.enter_async_context(
            house(
                tmp_path,
                Stub(answer="yes"),
                peers=f"127.0.0.1:{port}",
                redis_url_file=file,
                storyteller=f"bard-{secrets.token_hex(4)}",
            )
        )
        url = f"/v1/decisions/{MINE.id}"
        assert (await home.client.get(url)).json()["id"] == MINE.id
        assert (await home.client.get(url, headers={HEADER: "1"})).status_code == 404
        assert (await home.client.get("/v1/decisions/d-7-00000000")).status_code == 404
        assert asked == [True, True]


async def test_a_peer_is_asked_with_the_callers_own_key(
    neighbours: tuple[Neighbours, int],
) -> None:
    found, port = neighbours
    found.addresses = ["127.0.0.1"]
    keys: list[str | None] = []

    async def read(request: web.Request) -> web.Response:
        keys.append(request.headers.get("x-api-key"))
        return web.Response(status=401)

    app = web.Application()
    app.router.add_get("/v1/decisions/{decision}", read)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        assert await found.find(MINE.id, "fk_game_x") is None
        assert await found.find(MINE.id) is None
    finally:
        await runner.cleanup()
    assert keys == ["fk_game_x", None]


async def test_every_replica_is_told_to_forget(neighbours: tuple[Neighbours, int]) -> None:
    others, port = neighbours
    asked: list[tuple[str, bool]] = []

    async def forget(request: web.Request) -> web.Response:
        asked.append((request.match_info["player"], HEADER in request.headers))
        return web.Response(status=200 if request.query["by"] == "me" else 404)

    app = web.Application()
    app.router.add_delete("/v1/players/{player}", forget)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        others.addresses = ["127.0.0.1"]
        assert await others.forget("players", "Mara/of the Gate", by="me") is True
        assert await others.forget("players", "Mara", by="you") is False
        assert await others.forget("players", "Mara", by="me", replicas=2) is None, "one is away"
        others.addresses = ["127.0.0.1", "127.0.0.2"]
        assert await others.forget("players", "Mara", by="me") is None
    finally:
        await runner.cleanup()
    assert asked == [("Mara/of the Gate", True)] + [("Mara", True)] * 3
