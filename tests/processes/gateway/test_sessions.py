"""A long story that is kept in Redis: the tests of the embedded store, and what only Redis has."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.runtime.gateway.interfaces.test_api import assert_problem
from tests.unit.runtime.gateway.test_sessions import *  # noqa: F403 - the same, in Redis
from tests.unit.runtime.stubs.gateway import serving, write_config, write_routes
from tests.unit.runtime.stubs.waiting import eventually


@pytest.fixture
def store(redis_store: dict[str, Any]) -> dict[str, Any]:
    """Redis."""
    return redis_store


async def test_without_its_hot_store_a_gateway_says_so_everywhere_and_recovers(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.sessions.redis.CHECK_SECONDS", 0.05)
    write_config(tmp_path)
    write_routes(tmp_path, [])
    file = tmp_path / "url"
    settings = {"redis_url_file": file, "redis_secret": "redis/url", "storyteller": "lost-bard"}
    async with serving(tmp_path, **settings) as (client, gateway):
        await eventually(lambda: gateway.following.ready)
        unready = await client.get("/readyz")
        assert unready.status_code == 503
        assert "Secret redis, key url, is missing: kubectl create secret" in unready.text
        store = (await client.get("/v1/status")).json()["store"]
        assert (store["kind"], store["reason"]) == ("Redis", "MissingSecret")
        refused = await client.post("/v1/sessions")
        assert_problem(refused, 503, "store-unavailable")
        assert int(refused.headers["retry-after"]) > 0
        assert (await client.get("/livez")).status_code == 200
        file.write_text(redis_url)
        await eventually(lambda: gateway.unready is None)
        assert (await client.post("/v1/sessions")).status_code == 201
        assert (await client.get("/v1/status")).json()["store"] == {"kind": "Redis"}
