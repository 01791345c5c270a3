"""A decision is found whichever replica made it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from runtime.audit import OutcomeEntry
from runtime.gateway import peers
from runtime.gateway.interfaces.examples import OUTCOME
from runtime.gateway.peers import HEADER, Peers, PeerSilentError
from tests.unit.runtime.sessions.records import record
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
    neighbours: tuple[Neighbours, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    found, port = neighbours
    found.addresses = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    async with replica("127.0.0.1", port, silent=True), replica("127.0.0.2", port) as asked:
        assert await found.find(MINE.id) == MINE
        assert asked == [True]
        monkeypatch.setattr(peers, "SECONDS", 0.2)
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


@asynccontextmanager
async def judging(
    address: str, port: int, status: int, *, silent: bool = False
) -> AsyncIterator[list[tuple[str | None, bool, str]]]:
    """A replica that answers an outcome so; what it was asked."""
    asked: list[tuple[str | None, bool, str]] = []
    entry = OutcomeEntry.model_validate({**OUTCOME, "decision": MINE.id})

    async def judge(request: web.Request) -> web.Response:
        key, peer = request.headers.get("x-api-key"), HEADER in request.headers
        asked.append((key, peer, await request.text()))
        if silent:
            await asyncio.Event().wait()
        body = entry.model_dump_json(by_alias=True, exclude_none=True) if status == 201 else "{}"
        return web.Response(status=status, text=body)

    app = web.Application()
    app.router.add_post("/v1/decisions/{decision}/outcome", judge)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, address, port).start()
    try:
        yield asked
    finally:
        await runner.cleanup()


SAID = '{"answer":"yes","source":"rules"}'


async def test_the_replica_that_has_the_decision_logs_what_became_of_it(
    neighbours: tuple[Neighbours, int],
) -> None:
    others, port = neighbours
    others.addresses = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    async with (
        judging("127.0.0.1", port, 201, silent=True),
        judging("127.0.0.2", port, 404),
        judging("127.0.0.3", port, 201) as asked,
    ):
        written = await others.judge(MINE.id, SAID, "fk_game_x")
    assert written is not None
    assert written.decision == MINE.id
    assert asked == [("fk_game_x", True, SAID)]


async def test_nobody_has_it_only_if_everybody_says_so(neighbours: tuple[Neighbours, int]) -> None:
    others, port = neighbours
    others.addresses = ["127.0.0.1", "127.0.0.2"]
    async with judging("127.0.0.1", port, 404), judging("127.0.0.2", port, 404):
        assert await others.judge(MINE.id, SAID) is None
    for status in (401, 429, 503):
        async with judging("127.0.0.1", port, 404), judging("127.0.0.2", port, status):
            with pytest.raises(PeerSilentError):
                await others.judge(MINE.id, SAID)
    async with judging("127.0.0.1", port, 404):
        with pytest.raises(PeerSilentError):
            await others.judge(MINE.id, SAID)
    others.addresses = ["127.0.0.1"]
    async with judging("127.0.0.1", port, 404):
        assert await others.judge(MINE.id, SAID) is None
        with pytest.raises(PeerSilentError):  # one is away, and its address with it
            await others.judge(MINE.id, SAID, replicas=2)


async def test_a_replica_that_says_nothing_may_have_it(
    neighbours: tuple[Neighbours, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "SECONDS", 0.05)
    others, port = neighbours
    others.addresses = ["127.0.0.1"]
    async with judging("127.0.0.1", port, 201, silent=True):
        with pytest.raises(PeerSilentError):
            await others.judge(MINE.id, SAID)
