"""A gateway that is killed has lost nothing that it acknowledged, and clients go on where they
were."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.unit.runtime.gateway.interfaces.test_sockets import ask, decided, heard, talking
from tests.unit.runtime.stubs.engine import Stub
from tests.unit.runtime.stubs.gateway import house, write_config, write_routes
from tests.unit.runtime.stubs.process import begin, kill, start
from tests.unit.runtime.stubs.redis import free_port
from tests.unit.runtime.stubs.waiting import eventually

ASK = {"question": "Does it rain?", "options": ["yes", "no"]}


def test_a_killed_gateway_has_lost_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    write_config(tmp_path)
    write_routes(tmp_path, [])
    port = free_port()
    acknowledged = []
    session = None
    for _ in range(2):
        process = start(tmp_path, port)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            if session is None:
                session = client.post("/v1/sessions", json={"player": "Mara"}).json()["id"]
            url = f"/v1/sessions/{session}/decisions"
            acknowledged += [client.post(url, json=ASK).json()["id"] for _ in range(20)]
            listed = client.get("/v1/decisions", params={"session": session, "limit": 100}).json()
            assert [each["id"] for each in listed["decisions"]] == acknowledged[::-1]
        kill(process)


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
        session = await begin(port)
        player = _Player(f"ws://127.0.0.1:{port}", session)
        try:
            for life in range(3):
                playing = asyncio.create_task(player.play(until=8 * (life + 1)))
                await eventually(partial(player.has_played, playing, 8 * life + 4))
                await asyncio.to_thread(kill, process)
                process = await asyncio.to_thread(start, folder, port)
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
