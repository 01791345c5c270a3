"""Replicas prove to each other that they are replicas."""

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web
from redis.asyncio import Redis

from runtime.gateway.peers import HEADER as PEER
from runtime.gateway.proofs import SKEW_SECONDS, Proofs
from runtime.limits.keys import digest, new_key
from tests.unit.runtime.gateway.interfaces.test_api import ASK
from tests.unit.runtime.stubs.engine import Stub
from tests.unit.runtime.stubs.gateway import House, house
from tests.unit.runtime.stubs.redis import free_port

PATH = "/v1/decisions/d-1-00000000"


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


def proofs(redis: Redis | None, name: str, at: float = 1000.0) -> Proofs:
    return Proofs((lambda: redis) if redis else None, name, clock=lambda: at)


async def test_a_proof_holds_for_its_request_its_caller_and_a_minute(redis: Redis) -> None:
    name = secrets.token_hex(4)
    mine, other = proofs(redis, name), proofs(redis, name)
    proof = await mine.make("GET", PATH, "key")
    assert proof is not None
    assert await other.holds(proof, "GET", PATH, "key")
    assert not await other.holds(proof, "DELETE", PATH, "key")
    assert not await other.holds(proof, "GET", "/v1/decisions/d-2-00000000", "key")
    assert not await other.holds(proof, "GET", PATH, None)
    late = proofs(redis, name, 1001.0 + SKEW_SECONDS)
    assert not await late.holds(proof, "GET", PATH, "key")
    stranger = proofs(redis, secrets.token_hex(4))
    assert not await stranger.holds(proof, "GET", PATH, "key")


@pytest.mark.parametrize("said", ["", "1", "none", "1000.", ".", "²²²²." + "0" * 64, "9" * 5000])
async def test_what_is_no_proof_is_none(redis: Redis, said: str) -> None:
    assert not await proofs(redis, secrets.token_hex(4)).holds(said, "GET", PATH, None)


async def test_who_has_no_other_replicas_believes_nobody() -> None:
    alone = proofs(None, "x")
    assert await alone.make("GET", PATH, None) is None
    assert not await alone.holds(f"1000.{'0' * 64}", "GET", PATH, None)


async def test_a_secret_that_redis_lost_is_agreed_on_anew(redis: Redis) -> None:
    name = secrets.token_hex(4)
    mine, other = proofs(redis, name), proofs(redis, name)
    assert await mine.make("GET", PATH, None)
    await redis.delete(name)
    fresh = await other.make("GET", PATH, None)
    assert fresh is not None
    mine._looked = None  # as after a second
    assert await mine.holds(fresh, "GET", PATH, None)


@dataclass
class Pair:
    """Two gateways of one Storyteller; ``near`` asks ``far`` over HTTP."""

    near: House
    far: House


@asynccontextmanager
async def beside(port: int, target: list[House]) -> AsyncIterator[None]:
    """Lets a gateway that runs in this process be reached at a port."""

    async def hand_on(request: web.Request) -> web.Response:
        answer = await target[0].client.request(
            request.method, request.path_qs, headers=dict(request.headers)
        )
        return web.Response(status=answer.status_code, body=answer.content)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", hand_on)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()


@pytest.fixture
async def pair(tmp_path: Path, redis_url: str) -> AsyncIterator[Pair]:
    (tmp_path / "url").write_text(redis_url)
    port, target = free_port(), []  # type: ignore[var-annotated]
    shared = {"redis_url_file": tmp_path / "url", "storyteller": f"b-{secrets.token_hex(4)}"}
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(beside(port, target))
        houses = []
        for name, more in (("near", {"peers": f"127.0.0.1:{port}"}), ("far", {})):
            (tmp_path / name).mkdir()
            home = house(tmp_path / name, Stub(), **shared, **more)
            houses.append(await stack.enter_async_context(home))
        target.append(houses[1])
        yield Pair(*houses)


async def keyed(pair: Pair, *scopes: str, **more: object) -> dict[str, str]:
    """A key that both ask for."""
    key, folder = new_key("game"), pair.near.folder / "keys"
    folder.mkdir()
    item = {"sha256": digest(key), "scopes": list(scopes), **more}
    (folder / "game").write_text(json.dumps(item))
    for home in (pair.near, pair.far):
        await home.configure(apiKeysDir=str(folder), apiKeysSecret="keys")
    return {"x-api-key": key}


async def test_who_may_only_decide_is_told_a_decision_again_that_another_replica_has(
    pair: Pair, redis_url: str
) -> None:
    """Also when the store does not have it any more, as after an hour."""
    game = await keyed(pair, "decide")
    begun = await pair.far.client.post("/v1/sessions", json={}, headers=game)
    url = f"/v1/sessions/{begun.json()['id']}/decisions"
    asked = game | {"idempotency-key": "turn-1"}
    made = await pair.far.client.post(url, json=ASK, headers=asked)
    assert made.status_code == 200, made.text
    decision = made.json()["id"]
    async with Redis.from_url(redis_url) as redis:
        prefix = f"fabula:{{default/{pair.far.gateway.settings.storyteller}}}:"
        assert await redis.delete(f"{prefix}r:{decision}") == 1
    again = await pair.near.client.post(url, json=ASK, headers=asked)
    assert (again.status_code, again.json().get("id")) == (200, decision)
    read = await pair.near.client.get(f"/v1/decisions/{decision}", headers=game)
    assert read.status_code == 403, "a record is more than a decision"


async def test_a_replica_that_asks_for_who_may_decide_gets_decisions_of_his_session_alone(
    pair: Pair,
) -> None:
    game = await keyed(pair, "decide", perMinute=3)
    begun = await pair.far.client.post("/v1/sessions", json={}, headers=game)
    session = begun.json()["id"]
    url = f"/v1/sessions/{session}/decisions"
    path = f"/v1/decisions/{(await pair.far.client.post(url, json=ASK, headers=game)).json()['id']}"
    proof = await pair.near.gateway.proofs.make("GET", path, game["x-api-key"])
    proven = game | {PEER: str(proof)}
    for _ in range(5):  # counted where the game asked
        found = await pair.far.client.get(path, params={"session": session}, headers=proven)
        assert found.status_code == 200, found.text
    for params in ({}, {"session": "s-other"}):
        found = await pair.far.client.get(path, params=params, headers=proven)
        assert found.status_code == 404
    unproven = await pair.far.client.get(
        path, params={"session": session}, headers=game | {PEER: "none"}
    )
    assert unproven.status_code == 403


async def test_the_store_answers_before_a_replica_is_asked(pair: Pair) -> None:
    session = await pair.far.session()
    decision = (await pair.far.decide(session, **ASK))["id"]
    pair.near.gateway.peers._host = ""  # nobody to ask
    found = await pair.near.client.get(f"/v1/decisions/{decision}")
    assert (found.status_code, found.json()["id"]) == (200, decision)
