"""A session over a WebSocket: asked, cut, resumed, and ended well."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from runtime.gateway.interfaces import sockets
from tests.unit.runtime.gateway.test_callers import closed, keep
from tests.unit.runtime.stubs.gateway import House
from tests.unit.runtime.stubs.loopback import on_loopback
from tests.unit.runtime.stubs.waiting import eventually

OPTIONS = ["yes", "no"]


def ask(key: str, **more: Any) -> str:
    """A question."""
    body = {"type": "ask", "key": key, "question": "Does it rain?", "options": OPTIONS}
    return json.dumps({**body, **more})


async def heard(socket: ClientConnection) -> dict[str, Any]:
    """The next message."""
    message: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), 20))
    return message


async def decided(socket: ClientConnection) -> dict[str, Any]:
    """The next message that is no candidate."""
    while (message := await heard(socket))["type"] == "candidate":
        pass
    return message


@pytest.fixture
async def address(home: House) -> AsyncIterator[str]:
    """Where the gateway's WebSockets are."""
    async with on_loopback(home) as http:
        yield http.replace("http", "ws", 1)


@asynccontextmanager
async def talking(
    address: str, session: str, after: str | int | None = None
) -> AsyncIterator[ClientConnection]:
    query = "" if after is None else f"?after={after}"
    async with connect(f"{address}/v1/sessions/{session}/ws{query}", proxy=None) as socket:
        yield socket


async def test_candidates_come_and_then_the_decision(home: House, address: str) -> None:
    for stub in home.stubs:
        stub.answer = "yes"
    home.stubs[0].behaviour = "slow"
    async with talking(address, await home.session()) as socket:
        assert await heard(socket) == {"type": "resumed", "turn": 0}
        await socket.send(ask("turn-1", context={"weather": "ash"}, task="weather"))
        early = [await heard(socket) for _ in range(2)]
        assert {each["vote"]["member"] for each in early} == {"oracle", "jester"}
        assert {each["key"] for each in early} == {"turn-1"}
        home.stubs[0].release.set()
        told = await decided(socket)
        assert (told["type"], told["key"], told["turn"]) == ("decision", "turn-1", 1)
        await socket.send(ask("turn-1", context={"weather": "ash"}, task="weather"))
        assert await decided(socket) == told
        made = await home.client.get(f"/v1/decisions/{told['decision']['id']}")
        assert made.json()["task"] == "weather"


async def test_who_comes_back_hears_what_was_missed_and_no_more(home: House, address: str) -> None:
    session = await home.session()
    made = [await home.decide(session, question=f"Question {n}?") for n in range(3)]
    for after, wanted in [(0, made), (2, made[2:]), (made[0]["id"], made[1:]), (3, []), (9, [])]:
        async with talking(address, session, after) as socket:
            told = [await heard(socket) for _ in wanted]
            assert [each["decision"]["id"] for each in told] == [each["id"] for each in wanted]
            assert [each["turn"] for each in told] == list(range(4 - len(wanted), 4))
            assert await heard(socket) == {"type": "resumed", "turn": 3}
    async with talking(address, session) as socket:
        assert await heard(socket) == {"type": "resumed", "turn": 3}


async def test_one_question_at_a_time(home: House, address: str) -> None:
    for stub in home.stubs:
        stub.behaviour, stub.answer = "slow", "yes"
    async with talking(address, await home.session()) as socket:
        await heard(socket)
        await socket.send(ask("turn-1"))
        await socket.send(ask("turn-2"))
        refused = await heard(socket)
        assert (refused["type"], refused["key"]) == ("problem", "turn-2")
        assert refused["problem"]["type"] == "urn:fabula:problem:ask-under-way"
        for stub in home.stubs:
            stub.release.set()
        assert (await decided(socket))["key"] == "turn-1"
        await socket.send(ask("turn-2"))
        assert (await decided(socket))["turn"] == 2


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ("nonsense", "message"),
        (b"\xff", "message"),
        ("[]", "message"),
        (ask(""), "message.key"),
        (ask("a b"), "message.key"),
        (ask("k", options=["one"]), "message.options"),
        (ask("k", colour="red"), "message.colour"),
        (json.dumps({"type": "dance"}), "message.question"),
    ],
)
async def test_what_is_no_question_is_a_problem_and_the_connection_stays(
    home: House, address: str, said: str | bytes, field: str
) -> None:
    async with talking(address, await home.session()) as socket:
        await heard(socket)
        await socket.send(said)
        refused = await heard(socket)
        assert refused["problem"]["type"] == "urn:fabula:problem:invalid-request"
        assert refused["problem"]["errors"][0]["field"].startswith(field)
        await socket.send(ask("turn-1"))
        assert (await decided(socket))["type"] == "decision"


async def test_a_failure_is_a_problem_with_its_key(
    home: House, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(record: object) -> None:
        raise OSError(28, "No space left on device")

    async with talking(address, await home.session()) as socket:
        await heard(socket)
        with monkeypatch.context() as patch:
            patch.setattr(home.gateway.decisions, "append", full)
            await socket.send(ask("turn-1"))
            told = await decided(socket)
        assert (told["key"], told["problem"]["status"]) == ("turn-1", 503)
        await socket.send(ask("turn-1"))
        assert (await decided(socket))["type"] == "decision"


async def test_a_message_that_is_too_long_ends_the_connection(home: House, address: str) -> None:
    async with talking(address, await home.session()) as socket:
        await heard(socket)
        await socket.send(ask("turn-1", context="x" * 70_000))
        with pytest.raises(ConnectionClosed) as closed:
            await decided(socket)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


@pytest.mark.parametrize(
    ("session", "after", "status", "name"),
    [
        ("s-none", None, 404, "unknown-session"),
        (None, "d-0-00000000", 404, "unknown-decision"),
        (None, "-1", 404, "unknown-decision"),
        (None, 0, 422, "too-far-back"),
    ],
)
async def test_what_cannot_be_resumed_is_refused_before_it_begins(
    home: House,
    address: str,
    monkeypatch: pytest.MonkeyPatch,
    session: str | None,
    after: str | int | None,
    status: int,
    name: str,
) -> None:
    monkeypatch.setattr(sockets, "MAX_MISSED", 1)
    if session is None:
        session = await home.session()
        for number in range(2):
            await home.decide(session, question=f"Question {number}?")
    with pytest.raises(InvalidStatus) as refused:
        async with talking(address, session, after):
            pass
    response = refused.value.response
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert json.loads(response.body or b"")["type"] == f"urn:fabula:problem:{name}"


async def test_without_a_key_nobody_comes_in_where_keys_are_asked_for(
    home: House, address: str
) -> None:
    session, headers = await home.session(), keep(home, "game", "decide")
    await closed(home)
    with pytest.raises(InvalidStatus) as refused:
        async with talking(address, session):
            pass
    assert refused.value.response.status_code == 401
    url = f"{address}/v1/sessions/{session}/ws"
    async with connect(url, proxy=None, additional_headers=headers) as socket:
        await heard(socket)
        await socket.send(ask("turn-1"))
        assert (await decided(socket))["type"] == "decision"


async def test_who_goes_away_finds_the_decision_when_coming_back(home: House, address: str) -> None:
    for stub in home.stubs:
        stub.behaviour, stub.answer = "slow", "yes"
    session = await home.session()
    async with talking(address, session) as socket:
        await heard(socket)
        await socket.send(ask("turn-1"))
        await eventually(lambda: all(stub.asked for stub in home.stubs))
    for stub in home.stubs:
        stub.release.set()
    await eventually(lambda: len(home.gateway.decisions) == 1)
    await eventually(lambda: home.gateway.admission.inside == 0)
    async with talking(address, session, 0) as socket:
        told = await heard(socket)
        assert (told["type"], told["key"]) == ("decision", "turn-1")
    assert len(home.stubs[0].asked) == 1
