"""Several gateways on one Redis: what one counts, the others know."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from redis.asyncio import Redis

from crds.gateway import GatewayConfig
from crds.limits import Budget, Limits
from runtime.gateway.guards import Guards
from runtime.gateway.metrics import Metrics
from runtime.limits.money import BudgetExhaustedError, LedgerAwayError
from runtime.limits.visits import RateLimitedError, Visit

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def told(storyteller: str = "bard", replicas: int = 2) -> GatewayConfig:
    """What the operator says."""
    return GatewayConfig(
        storyteller=storyteller,
        namespace="play",
        generation=1,
        world="emberfall",
        title="Emberfall",
        limits=Limits(per_player_per_minute=4, daily_usd="0.0001"),
        budget=Budget(daily_usd="0.00015"),
        replicas=replicas,
        routes_config_map="routes",
    )


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def guards(stack: AsyncExitStack, url: str, folder: Path, *names: str) -> list[Guards]:
    """Gateways of these storytellers, on an empty Redis."""
    client = await stack.enter_async_context(Redis.from_url(url, decode_responses=True))
    await client.flushall()
    made = []
    for name in names:
        config = told(name)
        one = Guards(lambda c=config: c, folder, Metrics(), client=lambda: client, now=lambda: NOW)  # type: ignore[misc]
        stack.push_async_callback(one.close)
        made.append(one)
    return made


async def spends(guards: Guards, price: int) -> bool:
    try:
        async with guards.spending(Visit(), price, 60):
            return True
    except BudgetExhaustedError:
        return False


async def test_a_players_rate_holds_whichever_gateway_he_reaches(
    stack: AsyncExitStack, redis_url: str, tmp_path: Path
) -> None:
    both = await guards(stack, redis_url, tmp_path, "bard", "bard")
    for at in range(4):
        await both[at % 2].count(Visit(), "Mara")
    for each in both:
        with pytest.raises(RateLimitedError):
            await each.count(Visit(), "Mara")


async def test_gateways_together_spend_exactly_what_there_is(
    stack: AsyncExitStack, redis_url: str, tmp_path: Path
) -> None:
    three = await guards(stack, redis_url, tmp_path, "bard", "bard", "bard")
    served = await asyncio.gather(*(spends(three[at % 3], 1) for at in range(300)))
    assert sum(served) == 100
    assert not (tmp_path / "ledger.db").exists()


async def test_storytellers_of_a_world_share_its_budget_and_not_their_own(
    stack: AsyncExitStack, redis_url: str, tmp_path: Path
) -> None:
    bard, skald = await guards(stack, redis_url, tmp_path, "bard", "skald")
    assert sum([await spends(bard, 1) for _ in range(200)]) == 100
    assert sum([await spends(skald, 1) for _ in range(200)]) == 50


async def test_without_its_redis_a_gateway_holds_its_part_of_rates_and_spends_nothing(
    tmp_path: Path,
) -> None:
    config = told(replicas=2)
    alone = Guards(lambda: config, tmp_path, Metrics(), client=lambda: None)
    for _ in range(2):
        await alone.count(Visit(), "Mara")
    with pytest.raises(RateLimitedError):
        await alone.count(Visit(), "Mara")
    with pytest.raises(LedgerAwayError, match="its address is missing"):
        await spends(alone, 1)
    async with alone.spending(Visit(), 0, 60):
        pass
