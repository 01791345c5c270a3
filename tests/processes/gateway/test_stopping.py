"""A gateway that is told to stop: what has begun is finished, and clients hear that they may come
again."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from crds.gateway import CONFIG_KEY
from crds.routes import ROUTES_KEY
from tests.unit.runtime.gateway.interfaces.test_sockets import ask, decided, heard, talking
from tests.unit.runtime.stubs.engine import Stub
from tests.unit.runtime.stubs.gateway import house, write_config, write_routes
from tests.unit.runtime.stubs.process import begin, start
from tests.unit.runtime.stubs.redis import free_port
from tests.unit.runtime.stubs.waiting import eventually

ASK = {"question": "Does it rain?", "options": ["yes", "no"]}


async def test_on_sigterm_what_has_begun_is_finished(tmp_path: Path) -> None:
    async with house(tmp_path, Stub(behaviour="slow", answer="yes")) as home:
        stub = home.stubs[0]
        folder = tmp_path / "process"
        folder.mkdir()
        write_config(folder)
        write_routes(folder, [stub])
        port = free_port()
        process = await asyncio.to_thread(start, folder, port)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            session = (await client.post("/v1/sessions")).json()["id"]
            asking = asyncio.create_task(client.post(f"/v1/sessions/{session}/decisions", json=ASK))
            await eventually(lambda: stub.asked)
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(10):
                while (await client.get("/readyz")).status_code != 503:
                    pass
            stub.release.set()
            assert (await asking).json()["decision"] == "yes"
        output, _ = await asyncio.to_thread(process.communicate, timeout=30)
        assert process.returncode == 0, output
        assert b'"event": "closed"' in output


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
        session = await begin(port)
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


async def test_a_gateway_that_is_stopped_while_it_waits_ends_with_an_error(tmp_path: Path) -> None:
    async with house(tmp_path, Stub()):
        environment = {
            **os.environ,
            "FABULA_CONFIG_FILE": str(tmp_path / CONFIG_KEY),
            "FABULA_ROUTES_FILE": str(tmp_path / ROUTES_KEY),
            "FABULA_DATA_DIR": str(tmp_path / "data"),
            "FABULA_HOST": "127.0.0.1",
            "FABULA_PORT": "0",
            "FABULA_GRPC_PORT": "0",
        }
        with subprocess.Popen(  # noqa: ASYNC220  (its first line is waited for in a thread)
            [sys.executable, "-m", "runtime.gateway"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            line = ""
            while "volume_in_use" not in line:
                line = await asyncio.to_thread(process.stdout.readline)
                assert line, "it ended without saying that it waits"
            process.terminate()
            rest = await asyncio.to_thread(process.stdout.read)
        assert process.returncode != 0
        assert "not_started" in rest
