"""One Redis for all tests here, empty for each."""

from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from tests.redis_server import redis_server


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The address of a Redis that runs."""
    with redis_server() as url:
        yield url


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A client of it, with nothing in it."""
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        await client.flushall()
        yield client
