"""What only the shared home of the money can get wrong."""

import pytest
from redis.asyncio import Redis

from runtime.limits.money import Balance, BudgetExhaustedError
from runtime.limits.redis_ledger import RedisLedger
from tests.unit.runtime.limits.test_ledger import BARD, WORLD, some


async def test_in_redis_what_is_held_counts_as_spent_when_its_time_is_over(redis: Redis) -> None:
    ledger = RedisLedger(lambda: redis, lambda: "ns/w")
    held = some(60)
    await ledger.reserve(held)
    (key,) = await redis.keys("*:held")
    await redis.zadd(key, {f"{held.id}:60": 0})
    assert await ledger.reserve(some(10)) == [Balance(60, 10)]
    assert await ledger.settle(held, 0) == [Balance(60, 10)], "too late"


async def test_in_redis_a_reservation_that_is_sent_again_is_made_once(redis: Redis) -> None:
    """Its client sends a command again where the connection breaks before the answer."""
    ledger = RedisLedger(lambda: redis, lambda: "ns/w")
    held = some(60)
    for _ in range(2):
        assert await ledger.reserve(held) == [Balance(0, 60)]
    assert await ledger.settle(held, 20) == [Balance(20, 0)]


async def test_a_redis_that_comes_back_empty_is_told_what_was_spent(redis: Redis) -> None:
    ledger = RedisLedger(lambda: redis, lambda: "ns/w")
    await ledger.settle(held := some(60), 0)
    await ledger.reserve(held)
    await ledger.settle(held, 60)
    await redis.flushall()
    with pytest.raises(BudgetExhaustedError):
        await ledger.reserve(some(41))
    assert await ledger.reserve(some(40)) == [Balance(60, 40)]


async def test_redis_keeps_windows_for_a_time_and_in_one_slot(redis: Redis) -> None:
    await RedisLedger(lambda: redis, lambda: "ns/w").reserve(some(10, BARD, WORLD))
    keys = [str(key) for key in await redis.keys()]
    assert len(keys) == 4
    for key in keys:
        assert key.startswith("fabula:{ns/w}:money:")
        assert 2 * 86_400 < await redis.ttl(key) <= 40 * 86_400
