"""The bounded queue before the engine, and its drain."""

import asyncio

import pytest

from runtime.llamacpp.chunks import EngineError
from runtime.llamacpp.gate import Gate


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_what_cannot_wait_is_refused_with_the_bounds(clock: Clock) -> None:
    gate = Gate(parallel=1, max_waiting=1, clock=clock)
    async with gate.entered(), gate.entered():
        with pytest.raises(EngineError, match=r"2 requests .* --parallel 1 and --max-waiting 1"):
            async with gate.entered():
                pass
    assert gate.in_flight == 0


async def test_slots_go_round_in_order_of_arrival(clock: Clock) -> None:
    gate = Gate(parallel=2, max_waiting=8, clock=clock)
    order: list[int] = []
    most = 0
    busy = 0

    async def request(number: int) -> None:
        nonlocal most, busy
        async with gate.entered(), gate.slot():
            order.append(number)
            busy += 1
            most = max(most, busy)
            await asyncio.sleep(0)
            busy -= 1

    await asyncio.gather(*(request(number) for number in range(8)))
    assert order == list(range(8))
    assert most == 2


async def test_one_that_leaves_the_queue_takes_no_slot(clock: Clock) -> None:
    gate = Gate(parallel=1, max_waiting=8, clock=clock)
    async with gate.slot():
        waiting = asyncio.ensure_future(gate.slot().__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
    async with asyncio.timeout(1), gate.slot():
        pass


async def test_the_age_is_that_of_the_oldest(clock: Clock) -> None:
    gate = Gate(parallel=2, max_waiting=0, clock=clock)
    assert gate.oldest_seconds == 0
    async with gate.entered():
        clock.now += 3
        async with gate.entered():
            clock.now += 2
            assert gate.oldest_seconds == 5
        assert gate.in_flight == 1
    assert gate.oldest_seconds == 0


async def test_a_drain_refuses_newcomers_and_waits_for_the_rest(clock: Clock) -> None:
    gate = Gate(parallel=2, max_waiting=2, clock=clock)
    async with gate.entered():
        drain = asyncio.ensure_future(gate.drained(within=30))
        await asyncio.sleep(0)
        with pytest.raises(EngineError, match="shutting down; ask another replica"):
            async with gate.entered():
                pass
        assert not drain.done()
    assert await drain


@pytest.mark.looptime
async def test_a_drain_has_an_end(clock: Clock) -> None:
    gate = Gate(parallel=1, max_waiting=0, clock=clock)
    async with gate.entered():
        assert not await gate.drained(within=30)


async def test_an_idle_engine_drains_at_once(clock: Clock) -> None:
    assert await Gate(parallel=1, max_waiting=0, clock=clock).drained(within=0.1)
