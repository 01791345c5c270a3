"""For how much: no order of reserving, settling, expiring and dying passes a cap."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from runtime.limits.money import (
    Balance,
    BudgetExhaustedError,
    Cap,
    Ledger,
    LedgerAwayError,
    Reservation,
    dollars,
    micros,
)
from runtime.limits.redis_ledger import RedisLedger
from runtime.limits.sqlite_ledger import SqliteLedger

NOW = datetime(2026, 11, 24, 23, 59, 30, tzinfo=UTC)
LATER = datetime(2026, 11, 25, 0, 0, 30, tzinfo=UTC)
BARD = Cap("storyteller/bard", "spec.limits.dailyUSD of Storyteller bard", "Day", 100)
WORLD = Cap("world/emberfall", "spec.budget.monthlyUSD of World emberfall", "Month", 150)


@pytest.fixture(params=["sqlite", "redis"])
async def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ledger]:
    """Each home in turn."""
    if request.param == "sqlite":
        made: Ledger = SqliteLedger(tmp_path / "ledger.db")
        yield made
        await made.close()
    else:
        request.getfixturevalue("redis_url")
        async with Redis.from_url(request.getfixturevalue("redis_url")) as client:
            await client.flushall()
            yield RedisLedger(lambda: client, lambda: "ns/emberfall")


def some(amount: int, *caps: Cap, at: datetime = NOW) -> Reservation:
    return Reservation(caps or (BARD,), amount, at, 60)


async def test_what_is_reserved_and_spent_stays_below_the_cap(ledger: Ledger) -> None:
    first = some(60)
    assert await ledger.reserve(first) == [Balance(0, 60)]
    with pytest.raises(BudgetExhaustedError, match=r"spec.limits.dailyUSD of Storyteller bard"):
        await ledger.reserve(some(41))
    assert await ledger.settle(first, 20) == [Balance(20, 0)]
    assert await ledger.reserve(some(80)) == [Balance(20, 80)]


async def test_the_smallest_cap_binds_and_the_others_are_left_alone(ledger: Ledger) -> None:
    await ledger.reserve(some(100, WORLD))
    with pytest.raises(BudgetExhaustedError) as refused:
        await ledger.reserve(some(60, BARD, WORLD))
    assert refused.value.cap == WORLD
    assert await ledger.reserve(some(50, BARD, WORLD)) == [Balance(0, 50), Balance(0, 150)]


async def test_a_second_settlement_changes_nothing(ledger: Ledger) -> None:
    held = some(60)
    await ledger.reserve(held)
    assert await ledger.settle(held, 10) == await ledger.settle(held, 50) == [Balance(10, 0)]


async def test_money_belongs_to_the_day_on_which_it_was_reserved(ledger: Ledger) -> None:
    before = some(100, BARD, WORLD)
    await ledger.reserve(before)
    after = some(50, BARD, WORLD, at=LATER)
    assert await ledger.reserve(after) == [Balance(0, 50), Balance(0, 150)]
    assert await ledger.settle(before, 30) == [Balance(30, 0), Balance(30, 50)]


async def test_what_cost_more_than_was_thought_is_counted_in_full(ledger: Ledger) -> None:
    held = some(60)
    await ledger.reserve(held)
    assert await ledger.settle(held, 130) == [Balance(130, 0)]
    with pytest.raises(BudgetExhaustedError, match=r"of which 0.00 is left"):
        await ledger.reserve(some(1))


async def test_a_cap_of_nothing_lets_nothing_be_spent(ledger: Ledger) -> None:
    with pytest.raises(BudgetExhaustedError):
        await ledger.reserve(some(1, Cap("c", "c", "Day", 0)))


async def test_many_at_once_get_exactly_what_there_is(ledger: Ledger) -> None:
    async def one() -> bool:
        held = some(10)
        try:
            await ledger.reserve(held)
        except BudgetExhaustedError:
            return False
        await ledger.settle(held, 10)
        return True

    assert sum(await asyncio.gather(*(one() for _ in range(200)))) == 10


async def test_in_sqlite_what_is_held_counts_as_spent_when_its_time_is_over(tmp_path: Path) -> None:
    now = [0.0]
    ledger = SqliteLedger(tmp_path / "ledger.db", clock=lambda: now[0])
    held = some(60)
    await ledger.reserve(held)
    now[0] = 61
    assert await ledger.reserve(some(10)) == [Balance(60, 10)]
    assert await ledger.settle(held, 0) == [Balance(60, 10)], "too late"
    await ledger.close()


async def test_in_sqlite_what_a_dead_gateway_held_counts_as_spent(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    dead = SqliteLedger(path, clock=lambda: 0)
    await dead.reserve(some(60))
    await dead.close()
    ledger = SqliteLedger(path, clock=lambda: 0)
    with pytest.raises(BudgetExhaustedError):
        await ledger.reserve(some(41))
    assert await ledger.reserve(some(40)) == [Balance(60, 40)]
    await ledger.close()


async def test_in_sqlite_old_windows_are_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    first = SqliteLedger(path, clock=NOW.timestamp)
    await first.settle(held := some(60, WORLD), 0)
    await first.reserve(held)
    await first.close()
    for days, left in ((60, 1), (120, 0)):
        later = NOW.timestamp() + days * 86_400
        await SqliteLedger(path, clock=lambda later=later: later).close()  # type: ignore[misc]
        with sqlite3.connect(path) as db:
            assert db.execute("SELECT count(*) FROM balances").fetchone() == (left,)
        db.close()


async def test_a_volume_that_refuses_is_no_free_ride(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.db")
    ledger._db.execute("PRAGMA query_only = ON")
    with pytest.raises(LedgerAwayError, match="volume refused"):
        await ledger.reserve(some(1))
    await ledger.close()


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


async def test_money_is_not_spent_on_the_word_of_a_redis_that_is_away() -> None:
    async with Redis.from_url("redis://127.0.0.1:1/0") as nobody:
        with pytest.raises(LedgerAwayError, match="Redis"):
            await RedisLedger(lambda: nobody, lambda: "ns/w", timeout=5).reserve(some(1))


@pytest.mark.parametrize(
    ("cap", "now", "window", "ends"),
    [
        (BARD, NOW, "2026-11-24", datetime(2026, 11, 25, tzinfo=UTC)),
        (WORLD, NOW, "2026-11", datetime(2026, 12, 1, tzinfo=UTC)),
        (WORLD, datetime(2026, 12, 31, tzinfo=UTC), "2026-12", datetime(2027, 1, 1, tzinfo=UTC)),
        (BARD, datetime.fromisoformat("2026-11-25T01:00:00+02:00"), "2026-11-24",
         datetime(2026, 11, 25, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_days_and_months_are_those_of_utc(
    cap: Cap, now: datetime, window: str, ends: datetime
) -> None:
    assert (cap.window(now), cap.ends(now)) == (window, ends)


@pytest.mark.parametrize(
    ("text", "amount"),
    [("0", 0), ("300", 300_000_000), ("0.5", 500_000), ("1.000001", 1_000_001)],
)
def test_dollars_are_whole_micro_dollars(text: str, amount: int) -> None:
    assert micros(text) == amount
    assert micros(dollars(amount)) == amount


@given(st.integers(0, 10**15))
def test_writing_money_loses_none(amount: int) -> None:
    assert micros(dollars(amount)) == amount
