"""How often, counted in Redis for every gateway."""

import asyncio

from redis.asyncio import Redis

from runtime.limits.gcra import MINUTE, Rate
from runtime.limits.rates import Counted
from runtime.limits.redis_rates import RedisRates
from tests.unit.runtime.limits.test_rates import KEY, PLAYER, counted, passes


async def test_redis_says_what_the_pure_function_says(redis: Redis) -> None:
    rates = RedisRates(lambda: redis, lambda: "ns/bard")
    for remaining in (2, 1, 0):
        ruling = await rates.admit(counted(PLAYER, "mara"))
        (quota,) = ruling.quotas
        assert (quota.remaining, quota.wait) == (remaining, 0)
        assert 0 < quota.reset <= MINUTE
    refused = (await rates.admit(counted(PLAYER, "mara"))).refused_by
    assert refused is not None
    assert 0 < refused.wait <= PLAYER.interval
    assert await passes(rates, counted(PLAYER, "jory"))


async def test_in_redis_too_who_is_refused_by_one_limit_uses_up_no_other(redis: Redis) -> None:
    rates = RedisRates(lambda: redis, lambda: "ns/bard")
    both = [Counted(PLAYER, "mara"), Counted(KEY, "game")]
    assert [await passes(rates, both) for _ in range(4)] == [True, True, True, False]
    assert [await passes(rates, counted(KEY, "game")) for _ in range(3)] == [True, True, False]


async def test_a_rate_holds_across_gateways_that_ask_at_once(redis: Redis, redis_url: str) -> None:
    async with Redis.from_url(redis_url) as other:
        gateways = [
            RedisRates(lambda each=each: each, lambda: "ns/bard", timeout=20)  # type: ignore[misc]
            for each in (redis, other)
        ]
        rate = Rate("perKeyPerMinute", 100)
        asked = (passes(gateways[n % 2], counted(rate, "game")) for n in range(400))
        answers = await asyncio.gather(*asked)
    # Little time passes, and in that time little is given back.
    assert 100 <= sum(answers) < 150


async def test_redis_holds_no_names_and_forgets_who_owes_nothing(redis: Redis) -> None:
    rates = RedisRates(lambda: redis, lambda: "ns/bard")
    await passes(rates, counted(Rate("perPlayerPerMinute", 60), "mara"))
    (key,) = map(str, await redis.keys())
    assert "mara" not in key
    assert key.startswith("fabula:{ns/bard}:rate:")
    assert 0 < await redis.pttl(key) <= 1000


async def test_scripts_that_redis_forgot_are_sent_again(redis: Redis) -> None:
    rates = RedisRates(lambda: redis, lambda: "ns/bard")
    assert await passes(rates, counted(PLAYER, "mara"))
    await redis.script_flush()
    assert await passes(rates, counted(PLAYER, "mara"))
