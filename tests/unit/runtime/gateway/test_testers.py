"""Testers are told by what is tried out because the rollout names them, and are counted nowhere."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runtime.audit.kinds import AssignedEntry
from tests.unit.runtime.gateway.interfaces.test_api import assert_problem
from tests.unit.runtime.gateway.test_callers import closed, keep
from tests.unit.runtime.gateway.test_rollout import NEW, route, split, told_by
from tests.unit.runtime.stubs.engine import Stub, running
from tests.unit.runtime.stubs.gateway import House, house

OLD = "0000000a"
ANN = {"fabula-tester": "ann"}


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    """Nobody is drawn into the canary: ann and Mara test it."""
    async with (
        house(tmp_path, *(Stub() for _ in range(3))) as found,
        running(Stub()) as new,
    ):
        found.stubs.append(new)
        await name_them(found, 8)
        yield found


async def name_them(home: House, generation: int, salt: str = "s1", percent: int = 0) -> None:
    named = {"testers": ["ann"], "players": ["Mara"], "watchedSeconds": 600}
    await route(home, generation, split={**split(home, percent, salt=salt), **named})


async def begun(home: House, headers: dict[str, str], **fields: str) -> str:
    answer = await home.client.post("/v1/sessions", json=fields, headers=headers)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def test_a_tester_has_the_new_revision_before_anybody_is_drawn(home: House) -> None:
    assert await told_by(home, await begun(home, ANN)) == (NEW, "Tester")
    assert await told_by(home, await begun(home, {}, player="Mara")) == (NEW, "Tester")
    assert await told_by(home, await begun(home, {"fabula-tester": "bob"})) == (OLD, "Rest")
    assert await told_by(home, await begun(home, {}, player="ann")) == (OLD, "Rest")


async def test_a_tester_is_counted_nowhere(home: House) -> None:
    await name_them(home, 9, percent=50)
    session = await begun(home, ANN)
    await told_by(home, session)
    answer = await home.client.post(f"/v1/sessions/{session}/metrics", json={"fun": 1})
    assert answer.status_code == 204
    log = home.gateway.decisions
    assert not any(isinstance(log.entry(number), AssignedEntry) for number in range(len(log)))
    tally = await home.gateway.sessions.tally(session)
    assert not tally.asked


async def test_testers_go_back_with_everybody(home: House) -> None:
    session = await begun(home, ANN)
    await route(home, 9)
    assert await told_by(home, session) == (OLD, None)
    await name_them(home, 10, "s2")
    assert await told_by(home, session) == (OLD, None)
    assert await told_by(home, await begun(home, ANN)) == (NEW, "Tester")


async def test_completions_of_testers_are_told_by_the_new_revision(home: House) -> None:
    for headers, user, expected in (
        (ANN, None, "Tester"),
        ({}, "Mara", "Tester"),
        ({}, "x", "Rest"),
    ):
        body = {"model": "bard", "messages": [{"role": "user", "content": "Who goes there?"}]}
        answer = await home.client.post(
            "/v1/chat/completions", json=body | ({"user": user} if user else {}), headers=headers
        )
        assert answer.status_code == 200, answer.text
        (record,) = await home.gateway.decisions.latest(1)
        assert record.arm == expected


async def test_only_a_key_with_the_scope_may_name_a_tester(home: House) -> None:
    game = keep(home, "game", "decide")
    studio = keep(home, "studio", "decide", "test")
    await closed(home)
    answer = await home.client.post("/v1/sessions", headers=game | ANN)
    assert_problem(answer, 403, "scope-missing")
    assert "test" in answer.json()["detail"]
    assert (await home.client.post("/v1/sessions", headers=game)).status_code == 201
    begun = await home.client.post("/v1/sessions", headers=studio | ANN)
    session = await home.gateway.sessions.get(begun.json()["id"])
    assert session.arm == "s1:Tester"
