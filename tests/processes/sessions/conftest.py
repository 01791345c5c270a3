"""The store in Redis, alone and as a cluster, under the contract of every store."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from runtime.audit import DecisionLog
from runtime.sessions import SessionStore
from runtime.sessions.hot import HotStore
from runtime.sessions.redis import RedisSessions
from tests.unit.runtime.sessions.conftest import decisions, lifetime

__all__ = ["decisions", "lifetime"]


@asynccontextmanager
async def way_to(url: str, folder: Path) -> AsyncIterator[HotStore]:
    """The way to a Redis whose address lies in a file."""
    file = folder / "url"
    file.write_text(f"{url}\n")
    hot = HotStore(file, "redis/url")
    try:
        yield hot
    finally:
        await hot.close()


@pytest.fixture(params=["redis_url", "redis_cluster_url"])
async def store(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    lifetime: Callable[[], float],
    decisions: DecisionLog,
) -> AsyncIterator[SessionStore]:
    """A store with nothing in it."""
    async with way_to(request.getfixturevalue(request.param), tmp_path) as hot:
        made = RedisSessions(hot, f"test/{secrets.token_hex(4)}", lifetime)
        await made.catch_up(decisions)
        yield made
        await made.close()
