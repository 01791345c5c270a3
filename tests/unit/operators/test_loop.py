"""The loop runs what is due, a key at a time, only while it leads."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from controllers.plan import Ref
from operators.errors import NotLeaderError, UnavailableError
from operators.loop import GATHER, LOOK_LIMIT, Loop
from operators.metrics import Metrics
from operators.schedule import Schedule
from tests.unit.operators.fakes import half

pytestmark = pytest.mark.looptime

A, B, C = (Ref("fabula.dev/v1alpha1", "World", "play", name) for name in "abc")
Start = Callable[..., Loop]


def now() -> float:
    return asyncio.get_running_loop().time()


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    tasks = []

    def make(look: Callable[[Ref], Awaitable[float | None]], concurrency: int = 2) -> Loop:
        loop = Loop(Schedule(now, half), look, Metrics(), concurrency, now)
        tasks.append(asyncio.create_task(loop.serve()))
        return loop

    yield make
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_burst_of_events_is_one_look(start: Start) -> None:
    looks: list[tuple[float, Ref]] = []

    async def look(key: Ref) -> None:
        looks.append((now(), key))

    loop = start(look)
    loop.resume()
    began = now()
    for _ in range(50):
        loop.notice(A)
    await asyncio.sleep(10)
    ((at, key),) = looks
    assert key == A
    assert at - began == pytest.approx(GATHER)


async def test_nothing_happens_without_the_lead(start: Start) -> None:
    looks: list[Ref] = []

    async def look(key: Ref) -> None:
        looks.append(key)

    loop = start(look)
    loop.notice(A)
    await asyncio.sleep(60)
    assert looks == []
    loop.resume()
    await asyncio.sleep(1)
    assert looks == [A]


async def test_at_most_so_many_at_once_and_never_the_same_twice(start: Start) -> None:
    running: list[Ref] = []
    most = 0

    async def look(key: Ref) -> None:
        nonlocal most
        assert key not in running
        running.append(key)
        most = max(most, len(running))
        await asyncio.sleep(5)
        running.remove(key)

    loop = start(look, concurrency=2)
    loop.resume()
    for _ in range(3):
        for key in (A, B, C):
            loop.notice(key)
        await asyncio.sleep(3)
    await asyncio.sleep(30)
    assert most == 2
    assert running == []


async def test_the_planned_next_look_comes(start: Start) -> None:
    times: list[float] = []

    async def look(key: Ref) -> float:
        times.append(now())
        return 10.0

    loop = start(look)
    loop.resume()
    loop.notice(A)
    await asyncio.sleep(35)
    assert [round(b - a) for a, b in itertools.pairwise(times)] == [10, 10, 10]


async def test_a_failure_is_tried_again_and_stops_nobody_else(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    tries = 0
    others: list[Ref] = []

    async def look(key: Ref) -> None:
        nonlocal tries
        if key == B:
            others.append(key)
            return
        tries += 1
        if tries == 1:
            raise UnavailableError("get World play/a", "no route to host")
        if tries == 2:
            raise ValueError("a defect")

    loop = start(look)
    loop.resume()
    loop.notice(A)
    await asyncio.sleep(1)
    loop.notice(B)
    await asyncio.sleep(20)
    assert tries == 3
    assert others == [B]


async def test_a_look_that_hangs_is_given_up(start: Start) -> None:
    ended: list[float] = []

    async def look(key: Ref) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(now())

    loop = start(look)
    loop.resume()
    began = now()
    loop.notice(A)
    await asyncio.sleep(LOOK_LIMIT + 1)
    assert ended[0] - began == pytest.approx(LOOK_LIMIT + GATHER)


async def test_losing_the_lead_drops_work_at_once_and_regaining_it_takes_it_up(
    start: Start,
) -> None:
    begun: list[Ref] = []
    cancelled: list[Ref] = []

    async def look(key: Ref) -> None:
        begun.append(key)
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            cancelled.append(key)
            raise

    loop = start(look)
    loop.resume()
    loop.notice(A)
    await asyncio.sleep(1)
    loop.pause()
    await asyncio.sleep(60)
    assert (begun, cancelled) == ([A], [A])
    loop.resume()
    await asyncio.sleep(10)
    assert begun == [A, A]


async def test_a_look_cancelled_before_it_began_is_not_lost(start: Start) -> None:
    begun: list[Ref] = []

    async def look(key: Ref) -> None:
        begun.append(key)

    loop = start(look)
    loop.resume()
    loop.notice(A, 0)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    loop.pause()
    await asyncio.sleep(1)
    loop.resume()
    await asyncio.sleep(1)
    assert begun[-1:] == [A]


async def test_a_refused_write_waits_for_the_lead_and_is_no_failure(start: Start) -> None:
    tries = 0

    async def look(key: Ref) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise NotLeaderError("not held")

    loop = start(look)
    loop.resume()
    loop.notice(A)
    await asyncio.sleep(10)
    assert tries == 3


async def test_draining_finishes_what_is_under_way(start: Start) -> None:
    finished: list[Ref] = []

    async def look(key: Ref) -> None:
        await asyncio.sleep(3)
        finished.append(key)

    loop = start(look)
    loop.resume()
    loop.notice(A)
    await asyncio.sleep(1)
    loop.notice(A)
    await loop.drain(5)
    await asyncio.sleep(60)
    assert finished == [A]


async def test_draining_does_not_wait_for_ever(start: Start) -> None:
    async def look(key: Ref) -> None:
        await asyncio.sleep(50)

    loop = start(look)
    loop.resume()
    loop.notice(A)
    await asyncio.sleep(1)
    began = now()
    await loop.drain(5)
    assert now() - began == pytest.approx(5)


async def test_the_age_of_an_idle_loop_stays_small(start: Start) -> None:
    async def look(key: Ref) -> None: ...

    loop = start(look)
    await asyncio.sleep(600)
    assert loop.age <= 1
