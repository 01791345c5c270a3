"""What requests leave behind in memory: nothing, once what is bounded is full."""

import gc
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise
from pathlib import Path

import pytest

from tests.unit.runtime.stubs.engine import Stub
from tests.unit.runtime.stubs.gateway import House, house
from tests.unit.runtime.stubs.waiting import eventually

REQUESTS, TIMES = 40, 12
#: Bytes that a request may leave. Its place in the log takes 9.
EACH = 200
#: A conversation that is longer than what is remembered of texts, and shorter than a request.
LONG = "and then it rained " * 1000

Send = Callable[[House, str, int], Awaitable[None]]


@pytest.fixture
async def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """A gateway that keeps so little that it is soon full."""
    monkeypatch.setattr("runtime.sessions.standing.TAIL", 4)
    monkeypatch.setattr("runtime.audit.log.FRESH", 4)
    async with house(tmp_path, Stub()) as home:
        gc.collect()
        gc.freeze()  # what other tests left is not looked at again
        yield home


async def decide(home: House, session: str, number: int) -> None:
    day = number % REQUESTS  # of short texts, thousands are remembered
    await home.decide(session, question=f"Does it rain on day {day}?", options=["yes", "no"])


async def complete(home: House, session: str, number: int) -> None:
    said = {"role": "user", "content": f"On day {number} {LONG}"}
    request = {"model": "bard", "messages": [said]}
    answer = await home.client.post("/v1/chat/completions", json=request)
    assert answer.status_code == 200, answer.text


async def ask(home: House, session: str, send: Send) -> None:
    """Some requests, until all that follows upon them is done."""
    before = len(home.gateway.decisions)
    for number in range(before, before + REQUESTS):
        await send(home, session, number)
    (stub,) = home.stubs
    stub.asked.clear()
    stub.headers.clear()
    log, indexing, learning = home.gateway.decisions, home.gateway.indexing, home.gateway.learning
    await eventually(lambda: indexing._index.indexed == learning._notebook.taken == len(log))


def live() -> int:
    """Bytes that were allocated since the tracing began, and are there still."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


@pytest.mark.parametrize("send", [decide, complete])
async def test_a_request_leaves_nothing_behind(home: House, send: Send) -> None:
    """What grows, grows each time; what comes and goes, some 100 kB, is less at one of them."""
    session, sizes = await home.session(), []
    tracemalloc.start()
    try:
        for _ in range(TIMES):
            await ask(home, session, send)
            sizes.append(live())
    finally:
        tracemalloc.stop()
    assert min(after - before for before, after in pairwise(sizes)) < EACH * REQUESTS


@pytest.mark.parametrize("send", [decide, complete])
async def test_nothing_waits_for_the_garbage_collector(home: House, send: Send) -> None:
    """It seldom looks at what is old (runtime.gateway.server)."""
    session = await home.session()
    await ask(home, session, send)
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        await ask(home, session, send)
        gc.collect()
        found = {type(each) for each in gc.garbage}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    assert [kind for kind in found if kind.__module__.startswith(("runtime.", "crds."))] == []
