"""``python -m tests.bench.hedging``: what hedging takes off the longest waits, and what it costs.

A gateway in this process asks one member over loopback whose answers are quick but for a few, first
without hedging and then with it. Then every answer becomes slow, which is when second requests do
harm: there must be no more of them than the budget has.
"""

import asyncio
import random
import statistics
import tempfile
import time
from pathlib import Path

from tests.unit.runtime.stubs.engine import Stub
from tests.unit.runtime.stubs.gateway import House, house
from tests.unit.runtime.stubs.waiting import eventually

#: Of 100 answers so many are late, and how long both take in seconds.
LATE_PERCENT, QUICK, LATE = 2, (0.02, 0.04), (0.4, 0.6)
QUESTIONS, AT_ONCE, SEED = 1200, 4, 7
ASK = {"question": "Does it rain?", "options": ["yes", "no"]}


def answer_in_time(stub: Stub, slower: float, rng: random.Random) -> None:
    """Have the stub take as long as is drawn for each request."""

    async def pause() -> None:
        late = rng.random() * 100 < LATE_PERCENT
        await asyncio.sleep(slower * rng.uniform(*(LATE if late else QUICK)))

    stub.pause = pause


async def latencies(home: House) -> list[float]:
    """Seconds that each question took, sorted."""
    took: list[float] = []

    async def ask(questions: int) -> None:
        session = await home.session()
        for _ in range(questions):
            began = time.perf_counter()
            await home.decide(session, **ASK)
            took.append(time.perf_counter() - began)

    await asyncio.gather(*(ask(QUESTIONS // AT_ONCE) for _ in range(AT_ONCE)))
    return sorted(took)


async def measure(max_percent: int | None) -> None:
    """Two rows of the table."""
    with tempfile.TemporaryDirectory() as folder:
        async with house(Path(folder), Stub()) as home:
            (stub,) = home.stubs
            serving = {"hedging": {"maxPercent": max_percent}} if max_percent else {}
            home.write_routes(generation=8, minimum_votes=1, serving=serving)
            await eventually(lambda: home.gateway.report().routes_generation == 8)
            rng = random.Random(SEED)  # the same draws for each row
            for slower in (1.0, 4.0):
                answer_in_time(stub, slower, rng)
                before = len(stub.asked)
                took = await latencies(home)
                extra = 100 * (len(stub.asked) - before - QUESTIONS) / QUESTIONS
                cuts = [round(1000 * each) for each in statistics.quantiles(took, n=1000)]
                told = f"{max_percent} %" if max_percent else "off"
                print(
                    f"| {told} | {slower:g} x | {cuts[499]} | {cuts[949]} | {cuts[989]} | "
                    f"{extra:.1f} % |"
                )


async def main() -> None:
    """The table."""
    print("| hedging | answers take | p50 ms | p95 ms | p99 ms | more requests |")
    print("|---|---|---|---|---|---|")
    for max_percent in (None, 5):
        await measure(max_percent)


if __name__ == "__main__":
    asyncio.run(main())
