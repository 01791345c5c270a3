"""What every home of the money promises, asked of the one on a volume."""

import asyncio
from datetime import UTC, datetime

import pytest

from runtime.limits.money import Balance, BudgetExhaustedError, Cap, Ledger, Reservation

NOW = datetime(2026, 11, 24, 23, 59, 30, tzinfo=UTC)
LATER = datetime(2026, 11, 25, 0, 0, 30, tzinfo=UTC)
BARD = Cap("storyteller/bard", "spec.limits.dailyUSD of Storyteller bard", "Day", 100)
WORLD = Cap("world/emberfall", "spec.budget.monthlyUSD of World emberfall", "Month", 150)


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
