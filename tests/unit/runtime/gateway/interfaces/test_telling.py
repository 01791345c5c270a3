"""Decisions as server-sent events: in order, whole, and over when nobody listens."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from runtime.gateway.interfaces import telling
from tests.unit.runtime.stubs.engine import Stub
from tests.unit.runtime.stubs.gateway import House, house
from tests.unit.runtime.stubs.loopback import on_loopback
from tests.unit.runtime.stubs.waiting import eventually

ASK = {"question": "Does it rain?", "options": ["yes", "no"]}
EVENTS = {"accept": "text/event-stream"}


@pytest.fixture
async def wire(home: House) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the gateway over real connections."""
    async with (
        on_loopback(home) as address,
        httpx.AsyncClient(base_url=address, timeout=20) as client,
    ):
        yield client


@asynccontextmanager
async def asking(
    wire: httpx.AsyncClient, session: str, key: str | None = None
) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """The events of one decision."""
    headers = EVENTS if key is None else {**EVENTS, "idempotency-key": key}
    url = f"/v1/sessions/{session}/decisions"
    async with wire.stream("POST", url, json=ASK, headers=headers) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield _events(answer)


async def _events(answer: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    event: dict[str, Any] = {}
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        if not line and event:
            yield event
            event = {}
        elif not name and line:
            yield {"comment": value or line}
        elif name:
            event[name] = json.loads(value) if name in ("id", "data") else value


async def test_candidates_are_told_as_they_come_and_then_the_decision(
    home: House, wire: httpx.AsyncClient
) -> None:
    home.stubs[0].behaviour = "error"
    home.stubs[1].behaviour = "slow"
    async with asking(wire, await home.session()) as events:
        early = [await anext(events) for _ in range(2)]
        assert {each["data"]["member"] for each in early} == {"chronicler", "jester"}
        assert not home.stubs[1].release.is_set()
        home.stubs[1].release.set()
        late = [event async for event in events]
    told = [*early, *late]
    assert [event["id"] for event in told] == [1, 2, 3, 4]
    assert [event["event"] for event in told] == ["candidate"] * 3 + ["decision"]
    decision = told[-1]["data"]
    assert sorted(decision["votes"], key=str) == sorted(
        (event["data"] for event in told[:-1]), key=str
    )
    assert (await wire.get(f"/v1/decisions/{decision['id']}")).status_code == 200


@pytest.fixture
def watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Members are checked many times a second."""
    monkeypatch.setattr("runtime.gateway.members.voices.CHECK_SECONDS", 0.05)


async def test_who_is_out_is_told_too(watchful: None, home: House, wire: httpx.AsyncClient) -> None:
    home.stubs[2].ready = False
    await eventually(lambda: home.gateway.voices.seats[2].member.trouble is not None)
    async with asking(wire, await home.session()) as events:
        first = await anext(events)
    assert (first["event"], first["data"]["member"]) == ("candidate", "jester")
    assert "NotReady" in first["data"]["error"]


async def test_an_error_before_anything_is_told_keeps_its_status(
    home: House, wire: httpx.AsyncClient
) -> None:
    for session, body, status in [("s-none", ASK, 404), (await home.session(), {}, 422)]:
        answer = await wire.post(f"/v1/sessions/{session}/decisions", json=body, headers=EVENTS)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"


async def test_an_error_after_that_is_an_event(
    home: House, wire: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(record: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(home.gateway.decisions, "append", full)
    async with asking(wire, await home.session()) as events:
        *_, last = [event async for event in events]
    assert (last["event"], last["data"]["status"]) == ("problem", 503)
    assert last["data"]["type"] == "urn:fabula:problem:volume-refused"


async def test_a_client_that_goes_away_ends_the_decision(
    home: House, wire: httpx.AsyncClient
) -> None:
    for stub in home.stubs[1:]:
        stub.behaviour = "slow"
    async with asking(wire, await home.session()) as events:
        await anext(events)
    await eventually(lambda: home.stubs[1].cancelled and home.stubs[2].cancelled)
    await eventually(lambda: home.gateway.admission.inside == 0)
    assert len(home.gateway.decisions) == 0


async def test_a_client_that_goes_away_before_anything_is_told_ends_it_too(
    home: House, wire: httpx.AsyncClient
) -> None:
    for stub in home.stubs:
        stub.behaviour = "slow"
    url = f"/v1/sessions/{await home.session()}/decisions"
    going = asyncio.create_task(wire.post(url, json=ASK, headers=EVENTS))
    await eventually(lambda: all(stub.asked for stub in home.stubs))
    going.cancel()
    await eventually(lambda: all(stub.cancelled for stub in home.stubs))
    assert len(home.gateway.decisions) == 0


async def test_with_a_key_it_goes_on_and_a_repeat_hears_the_rest(
    home: House, wire: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "KEEP_ALIVE_SECONDS", 0.1)
    for stub in home.stubs[1:]:
        stub.behaviour = "slow"
    session = await home.session()
    async with asking(wire, session, "turn-1") as events:
        assert (await anext(events))["data"]["member"] == "chronicler"
    async with asking(wire, session, "turn-1") as events:
        joined = asyncio.ensure_future(anext(events))  # nothing is told twice
        await eventually(lambda: _listeners(home) == 1)
        for stub in home.stubs:
            stub.release.set()
        rest = [await joined, *[event async for event in events]]
    assert rest[-1]["event"] == "decision"
    assert "chronicler" not in [event["data"].get("member") for event in rest]
    assert len(home.gateway.decisions) == 1
    async with asking(wire, session, "turn-1") as events:
        assert [event["event"] async for event in events] == ["decision"]


def _listeners(home: House) -> int:
    return sum(len(each.audience._listeners) for each in home.gateway.teller._under_way.values())


async def test_silence_is_filled_with_comments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "KEEP_ALIVE_SECONDS", 0.02)
    stub = Stub(behaviour="slow")
    async with (
        house(tmp_path, stub) as home,
        on_loopback(home) as address,
        httpx.AsyncClient(base_url=address, timeout=20) as wire,
        asking(wire, await home.session()) as events,
    ):
        assert "still here" in (await anext(events))["comment"]
        stub.release.set()
        assert [event["event"] async for event in events if "event" in event][-1] == "decision"


async def test_what_is_being_logged_is_kept_whoever_goes_away(
    home: House, wire: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, go_on = asyncio.Event(), asyncio.Event()
    append = home.gateway.decisions.append

    async def slowly(record: Any) -> Any:
        writing.set()
        await go_on.wait()
        return await append(record)

    monkeypatch.setattr(home.gateway.decisions, "append", slowly)
    session = await home.session()
    async with asking(wire, session):
        await writing.wait()
    go_on.set()
    await eventually(lambda: len(home.gateway.decisions) == 1)
    await eventually(lambda: home.gateway.admission.inside == 0)
    assert (await wire.get(f"/v1/sessions/{session}")).json()["turns"] == 1
