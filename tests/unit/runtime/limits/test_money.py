"""For how much: no order of reserving, settling, expiring and dying passes a cap."""

import sqlite3
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
    LedgerAwayError,
    dollars,
    micros,
)
from runtime.limits.redis_ledger import RedisLedger
from runtime.limits.sqlite_ledger import SqliteLedger
from tests.unit.runtime.limits.test_ledger import BARD, NOW, WORLD, some


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
