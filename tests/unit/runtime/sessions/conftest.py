"""Every store, one after the other, in each test of the contract."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from runtime.audit import DecisionLog
from runtime.sessions import SessionStore
from runtime.sessions.hot import HotStore
from runtime.sessions.redis import RedisSessions
from runtime.sessions.sqlite import SqliteSessions

HOUR = 3600.0


class Lifetime:
    """Seconds until a session expires, as the test says."""

    def __init__(self) -> None:
        self.seconds = HOUR

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def lifetime() -> Lifetime:
    return Lifetime()


@pytest.fixture
async def decisions(tmp_path: Path) -> AsyncIterator[DecisionLog]:
    """An empty log of decisions."""
    log = DecisionLog(tmp_path / "decisions")
    yield log
    await log.close()


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


@pytest.fixture(params=["sqlite", "redis", "redis-cluster"])
async def store(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    lifetime: Callable[[], float],
    decisions: DecisionLog,
    redis_url: str,
    redis_cluster_url: str,
) -> AsyncIterator[SessionStore]:
    """A store with nothing in it."""
    async with AsyncExitStack() as stack:
        made: SessionStore
        if request.param == "sqlite":
            made = SqliteSessions(tmp_path / "sessions.db", lifetime)
        else:
            url = redis_url if request.param == "redis" else redis_cluster_url
            hot = await stack.enter_async_context(way_to(url, tmp_path))
            made = RedisSessions(hot, f"test/{secrets.token_hex(4)}", lifetime)
        stack.push_async_callback(made.close)
        await made.catch_up(decisions)
        yield made
