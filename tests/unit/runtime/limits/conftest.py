"""A Redis that is empty at the beginning of each test."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A client of it."""
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        await client.flushall()
        yield client
