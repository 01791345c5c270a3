"""One asks, the others wait."""

import asyncio

from runtime.cache import Flights


async def test_who_comes_second_waits_for_the_first() -> None:
    flights: Flights[str] = Flights()
    assert flights.lead("q")
    assert not flights.lead("q")
    waiting = [asyncio.create_task(flights.wait("q", 5.0)) for _ in range(3)]
    await asyncio.sleep(0)
    flights.land("q", "an answer")
    assert await asyncio.gather(*waiting) == ["an answer"] * 3
    assert flights.lead("q"), "what has landed is over"


async def test_when_the_first_finds_nothing_the_others_know_at_once() -> None:
    flights: Flights[str] = Flights()
    flights.lead("q")
    waiting = asyncio.create_task(flights.wait("q", 5.0))
    await asyncio.sleep(0)
    flights.land("q", None)
    assert await waiting is None
    assert len(flights) == 0


async def test_nobody_waits_longer_than_its_patience_nor_ends_the_flight() -> None:
    flights: Flights[str] = Flights()
    flights.lead("q")
    assert await flights.wait("q", 0.01) is None
    assert await flights.wait("another", 5.0) is None
    patient = asyncio.create_task(flights.wait("q", 5.0))
    await asyncio.sleep(0)
    flights.land("q", "late")
    assert await patient == "late"
    flights.land("q", "again")
