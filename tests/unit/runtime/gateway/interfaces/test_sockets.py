"""A session over a WebSocket: asked, cut, resumed, and ended well."""

import asyncio
import json
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from runtime.gateway.interfaces import sockets
from tests.unit.runtime.gateway.test_callers import closed, keep
from tests.unit.runtime.stubs.engine import Stub
from tests.unit.runtime.stubs.gateway import House, house, write_config, write_routes
from tests.unit.runtime.stubs.loopback import on_loopback
from tests.unit.runtime.stubs.process import kill, start
from tests.unit.runtime.stubs.redis import free_port
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


async def test_a_stopping_gateway_finishes_and_says_come_again(tmp_path: Path) -> None:
    async with house(tmp_path, Stub(behaviour="slow", answer="yes")) as home:
        stub = home.stubs[0]
        folder = tmp_path / "process"
        folder.mkdir()
        write_config(folder)
        write_routes(folder, [stub])
        port = free_port()
        process = await asyncio.to_thread(start, folder, port)
        address = f"ws://127.0.0.1:{port}"
        session = await _begin(port)
        async with talking(address, session) as busy, talking(address, session) as idle:
            assert [(await heard(each))["type"] for each in (busy, idle)] == ["resumed"] * 2
            await busy.send(ask("turn-1"))
            await eventually(lambda: stub.asked)
            process.send_signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed) as closed:
                await heard(idle)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1012
            stub.release.set()
            assert (await decided(busy))["decision"]["decision"] == "yes"
            with pytest.raises(ConnectionClosed) as closed:
                await heard(busy)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1012
        output, _ = await asyncio.to_thread(process.communicate, timeout=30)
        assert process.returncode == 0, output


async def test_a_client_resumes_over_a_killed_gateway_without_gap_or_double(
    tmp_path: Path,
) -> None:
    async with house(tmp_path, Stub(answer="yes")) as home:
        folder = tmp_path / "process"
        folder.mkdir()
        write_config(folder)
        write_routes(folder, home.stubs)
        port = free_port()
        process = await asyncio.to_thread(start, folder, port)
        session = await _begin(port)
        player = _Player(f"ws://127.0.0.1:{port}", session)
        try:
            for kill in range(3):
                playing = asyncio.create_task(player.play(until=8 * (kill + 1)))
                await eventually(partial(player.has_played, playing, 8 * kill + 4))
                process = await _killed_and_started(process, folder, port)
                await playing
        finally:
            process.kill()
            await asyncio.to_thread(process.communicate, timeout=30)
    assert list(player.turns) == list(range(1, 25))
    assert [key for _, key in player.turns.values()] == [f"turn-{n}" for n in range(1, 25)]
    assert len({decision for decision, _ in player.turns.values()}) == 24
    assert player.connections > 3


class _Player:
    """A client as docs/how-to/connect.md tells to write one."""

    def __init__(self, address: str, session: str) -> None:
        self.address = address
        self.session = session
        self.connections = 0
        #: By turn: the decision, and the key of its question.
        self.turns: dict[int, tuple[str, str]] = {}

    def has_played(self, playing: "asyncio.Task[None]", turns: int) -> bool:
        """Whether so many turns are played, or it has failed."""
        return playing.done() or len(self.turns) >= turns

    async def play(self, until: int) -> None:
        """Ask one question after the other, whatever happens to the connection."""
        while len(self.turns) < until:
            try:
                async with talking(self.address, self.session, len(self.turns)) as socket:
                    self.connections += 1
                    await self._turns(socket, until)
            except (OSError, ConnectionClosed, InvalidStatus, TimeoutError):
                await asyncio.sleep(0.05)

    async def _turns(self, socket: ClientConnection, until: int) -> None:
        while (told := await heard(socket))["type"] != "resumed":
            self._note(told)
        while len(self.turns) < until:
            await socket.send(ask(f"turn-{len(self.turns) + 1}"))
            self._note(await decided(socket))

    def _note(self, told: dict[str, Any]) -> None:
        assert told["type"] == "decision", told
        assert told["turn"] == len(self.turns) + 1, "a gap, or told twice"
        self.turns[told["turn"]] = told["decision"]["id"], told["key"]


async def _begin(port: int) -> str:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        return str((await client.post("/v1/sessions")).json()["id"])


async def _killed_and_started(
    process: "subprocess.Popen[bytes]", folder: Path, port: int
) -> "subprocess.Popen[bytes]":
    await asyncio.to_thread(kill, process)
    return await asyncio.to_thread(start, folder, port)
