"""A rollout as games see it: a session is told by one revision, until the rollout ends."""

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from crds.routes import Served
from runtime.arms import drawn
from tests.unit.runtime.stubs.engine import Stub, running
from tests.unit.runtime.stubs.gateway import House, house, serving
from tests.unit.runtime.stubs.waiting import eventually

ASK = {"question": "Open the gate?", "options": ["yes", "no"]}
NEW = "0000000b"


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    """Three members; the second has a new revision at the fourth stub, which says no."""
    async with (
        house(tmp_path, *(Stub(answer="yes") for _ in range(3))) as found,
        running(Stub(answer="no")) as new,
    ):
        found.stubs.append(new)
        yield found


def split(home: House, percent: int, *, ready: bool = True, salt: str = "s1") -> dict[str, Any]:
    way = Served(revision=NEW, engine="llamacpp", model="small", url=home.stubs[3].url)
    ways = [way.dump()] if ready else []
    return {"salt": salt, "member": "oracle", "percent": percent, "canary": ways}


async def route(home: House, generation: int, **changes: Any) -> None:
    home.write_routes(generation=generation, **changes)
    voices = home.gateway.voices
    await eventually(
        lambda: (
            home.gateway.report().routes_generation == generation
            and all(seat.member.answers for seat in voices.cast(canary=True))
        )
    )


async def told_by(home: House, session: str) -> tuple[str, str | None]:
    """The revision of the oracle that a turn is told by, and the arm that is recorded."""
    made = await home.decide(session, **ASK)
    record = await home.gateway.decisions.get(made["id"])
    assert record is not None
    return record.candidates[1].revision, record.arm


async def test_each_arm_is_told_by_its_revision(home: House) -> None:
    before = await home.session()
    await route(home, 8, split=split(home, 40))
    assert await told_by(home, before) == ("0000000a", None)
    arms: Counter[str] = Counter()
    for _ in range(20):
        session = await home.session()
        table = home.gateway.following.routes
        assert table is not None
        assert table.split is not None
        arm = drawn(session, table.split.salt, table.split.percent)
        assert await told_by(home, session) == (NEW if arm == "Canary" else "0000000a", arm)
        arms[arm] += 1
    assert arms["Canary"] > 0
    assert arms["Baseline"] > 0


async def in_the_canary(home: House) -> str:
    while True:
        session = await home.session()
        if await told_by(home, session) == (NEW, "Canary"):
            return session


async def test_an_arm_outlasts_steps_and_restarts(home: House) -> None:
    await route(home, 8, split=split(home, 10))
    first, second = await home.session(), await in_the_canary(home)
    arm = await told_by(home, first)
    await route(home, 9, split=split(home, 50))
    assert await told_by(home, first) == arm
    await home.gateway.close()
    async with serving(home.folder) as (client, gateway):
        again = House(client, gateway, home.stubs, home.folder)
        await eventually(lambda: gateway.unready is None and gateway.voices.seats)
        await route(again, 10, split=split(home, 1))
        assert await told_by(again, first) == arm
        assert await told_by(again, second) == (NEW, "Canary")


async def test_the_end_of_a_rollout_moves_everyone(home: House) -> None:
    await route(home, 8, split=split(home, 50))
    session = await in_the_canary(home)
    await route(home, 9)
    assert await told_by(home, session) == ("0000000a", None)
    await route(home, 10, split=split(home, 50, salt="s2"))
    assert await told_by(home, session) == ("0000000a", None)


async def test_a_canary_that_is_not_ready_is_asked_nothing(home: House) -> None:
    await route(home, 8, split=split(home, 50))
    session = await in_the_canary(home)
    await route(home, 9, split=split(home, 0, ready=False))
    asked = len(home.stubs[3].asked)
    assert await told_by(home, session) == ("0000000a", "Canary")
    newcomer = await home.session()
    assert await told_by(home, newcomer) == ("0000000a", "Rest")
    assert len(home.stubs[3].asked) == asked
    await route(home, 10, split=split(home, 50))
    assert await told_by(home, session) == (NEW, "Canary")
    assert await told_by(home, newcomer) == ("0000000a", "Rest")


async def test_the_engine_that_was_tried_out_stays_known_when_everyone_gets_it(home: House) -> None:
    await route(home, 8, split=split(home, 50))
    tried = home.gateway.voices.cast(canary=True)[1].member
    table = home.gateway.following.routes
    assert table is not None
    routes = [each.dump() for each in table.routes]
    routes[1] |= {"revision": NEW, "url": home.stubs[3].url}
    await route(home, 9, routes=routes)
    assert home.gateway.voices.seats[1].member is tried


async def test_a_completion_is_in_an_arm_by_its_user(home: House) -> None:
    await route(home, 8, split=split(home, 50))
    asked = {"model": "oracle", "messages": [{"role": "user", "content": "Open the gate?"}]}
    seen: dict[str, str] = {}
    for user in ("Mara", "Jon", "Ash", "Ember", "Bram", "Mara", "Jon"):
        answer = await home.client.post("/v1/chat/completions", json={**asked, "user": user})
        assert answer.status_code == 200, answer.text
        said = answer.json()["choices"][0]["message"]["content"]
        assert seen.setdefault(user, said) == said
    assert set(seen.values()) == {"yes", "no"}
