"""Whoever reserves also settles, however it ends."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runtime.limits.money import Balance, BudgetExhaustedError, Cap, LedgerAwayError, Reservation
from runtime.limits.purse import Purse
from runtime.limits.sqlite_ledger import SqliteLedger

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CAPS = [Cap("storyteller/bard", "spec.limits.dailyUSD", "Day", 100)]


class Watch:
    """The last that was told of a cap."""

    last = Balance()

    def __call__(self, cap: Cap, balance: Balance, at: datetime) -> None:
        assert (cap, at) == (CAPS[0], NOW)
        self.last = balance


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
async def purse(tmp_path: Path, watch: Watch) -> AsyncIterator[Purse]:
    """A purse on a volume. Closing it settles everything."""
    purse = Purse(SqliteLedger(tmp_path / "ledger.db"), watch=watch, now=lambda: NOW)
    yield purse
    await purse.close()


async def settled(purse: Purse) -> None:
    while purse._settling:
        await asyncio.gather(*purse._settling)


async def test_what_it_cost_is_counted(purse: Purse, watch: Watch) -> None:
    async with purse.spending(CAPS, 60, 30) as spending:
        assert watch.last == Balance(0, 60)
        spending.cost = 25
    await settled(purse)
    assert watch.last == Balance(25, 0)


async def test_when_nobody_says_what_it_cost_it_cost_the_most(purse: Purse, watch: Watch) -> None:
    with pytest.raises(ZeroDivisionError):
        async with purse.spending(CAPS, 60, 30):
            raise ZeroDivisionError
    await settled(purse)
    assert watch.last == Balance(60, 0)


async def test_a_request_that_is_cancelled_is_settled_too(purse: Purse, watch: Watch) -> None:
    begun = asyncio.Event()

    async def ask() -> None:
        async with purse.spending(CAPS, 60, 30):
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(ask())
    await begun.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await settled(purse)
    assert watch.last == Balance(60, 0)


async def test_a_request_that_is_cancelled_before_it_began_is_free(
    purse: Purse, watch: Watch
) -> None:
    async def ask() -> None:
        async with purse.spending(CAPS, 60, 30):
            raise AssertionError

    task = asyncio.create_task(ask())
    await asyncio.sleep(0)  # until it waits for the volume
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await settled(purse)
    assert watch.last == Balance(0, 0)


async def test_without_room_nothing_runs(purse: Purse) -> None:
    with pytest.raises(BudgetExhaustedError):
        async with purse.spending(CAPS, 101, 30):
            raise AssertionError
    assert not purse._settling


@pytest.mark.parametrize(("caps", "most"), [([], 60), (CAPS, 0)])
async def test_what_has_no_cap_or_no_price_needs_no_ledger(caps: list[Cap], most: int) -> None:
    flaky = Flaky(failures=99)
    purse = Purse(flaky)
    async with purse.spending(caps, most, 30):
        pass
    assert flaky.asked == []
    await purse.close()


class Flaky:
    """A ledger that is away for the first calls."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.asked: list[int | None] = []

    def _answer(self, spent: int | None) -> Sequence[Balance]:
        self.asked.append(spent)
        self.failures -= 1
        if self.failures >= 0:
            raise LedgerAwayError("away")
        return [Balance()]

    async def reserve(self, reservation: Reservation) -> Sequence[Balance]:
        return self._answer(None)

    async def settle(self, reservation: Reservation, spent: int) -> Sequence[Balance]:
        return self._answer(spent)

    async def close(self) -> None:
        pass


async def test_what_may_have_been_set_aside_is_given_back() -> None:
    flaky = Flaky(failures=1)
    purse = Purse(flaky)
    with pytest.raises(LedgerAwayError):
        async with purse.spending(CAPS, 60, 30):
            raise AssertionError
    await purse.close()
    assert flaky.asked == [None, 0]


@pytest.mark.looptime
@pytest.mark.parametrize("failures", [1, 5, 99])
async def test_settling_is_tried_again_until_it_would_have_expired(failures: int) -> None:
    flaky = Flaky(failures=0)
    purse = Purse(flaky)
    async with purse.spending(CAPS, 60, 30) as spending:
        spending.cost = 7
        flaky.failures = failures
    begun = asyncio.get_running_loop().time()
    await settled(purse)
    assert asyncio.get_running_loop().time() - begun < 36
    assert set(flaky.asked) == {None, 7}
    assert (flaky.failures < 0) == (failures < 99), "it was settled, or left to expire"


async def test_a_gateway_that_ends_does_not_wait_for_a_ledger_that_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("runtime.limits.purse._CLOSE_SECONDS", 0.01)
    monkeypatch.setattr("runtime.limits.purse._PAUSE_SECONDS", 1000)
    flaky = Flaky(failures=0)
    purse = Purse(flaky)
    async with purse.spending(CAPS, 60, 30):
        flaky.failures = 99
    await purse.close()
    assert len(flaky.asked) == 2


async def test_what_is_still_under_way_when_a_gateway_ends_is_left_to_expire() -> None:
    flaky = Flaky(failures=0)
    purse = Purse(flaky)
    async with purse.spending(CAPS, 60, 30):
        await purse.close()
    assert flaky.asked == [None]
    assert not purse._settling
