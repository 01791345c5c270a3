"""A Redis that is empty at the beginning of each test, and the money in it."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from runtime.limits.money import Ledger
from runtime.limits.redis_ledger import RedisLedger


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A client of it."""
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        await client.flushall()
        yield client


@pytest.fixture
def ledger(redis: Redis) -> Ledger:
    """The home of the money that gateways share."""
    return RedisLedger(lambda: redis, lambda: "ns/emberfall")
