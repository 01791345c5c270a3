"""The operator as a whole: it waits for its kinds, says so, works, and stops in order."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import Configuration

from controllers.plan import Object
from crds import API_VERSION, KINDS
from operators import __main__ as entry
from operators import app as app_module
from operators import logs
from operators.access import Access
from operators.app import Operator
from operators.settings import Settings
from operators.watch import Watches


class ApiServer:
    """Discovery, a Lease, one World, and nothing else."""

    def __init__(self) -> None:
        self.installed = False
        self.lease: Object | None = None
        self.status: asyncio.Queue[Object] = asyncio.Queue()

    async def handle(self, request: web.Request) -> web.Response:
        if request.path == f"/apis/{API_VERSION}":
            kinds = [{"kind": kind.names.kind} for kind in KINDS if self.installed]
            return web.json_response({"resources": kinds})
        if "/leases" in request.path:
            return await self._leases(request)
        world = {"metadata": {"name": "ember", "namespace": "play", "uid": "u", "generation": 1}}
        if request.path.endswith("/worlds/ember"):
            return web.json_response({"apiVersion": API_VERSION, "kind": "World", **world})
        if request.path.endswith("/worlds/ember/status"):
            self.status.put_nowait(await request.json())
        if request.method != "GET":
            return web.json_response(await request.json())
        items = [world] if request.path.endswith("/worlds") else []
        return web.json_response({"items": items, "metadata": {}})

    async def _leases(self, request: web.Request) -> web.Response:
        if request.method == "GET":
            if self.lease is None:
                return web.json_response({"message": "not found"}, status=404)
            return web.json_response(self.lease)
        self.lease = await request.json()
        return web.json_response(self.lease)


@dataclass
class Setting:
    server: ApiServer
    operator: Operator
    stop: asyncio.Event
    task: "asyncio.Task[None]"

    async def ready(self, session: aiohttp.ClientSession) -> dict[str, str]:
        async with session.get(f"http://127.0.0.1:{self.operator.port}/readyz") as answer:
            said: dict[str, str] = await answer.json()
            return said


@pytest.fixture
async def setting(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Setting]:
    async def watch(self: Watches) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Watches, "run", watch)
    monkeypatch.setattr(app_module, "CRD_RETRY_BASE", 0.01)
    monkeypatch.setattr(app_module, "CRD_RETRY_CAP", 0.01)
    server = ApiServer()
    routes = web.Application()
    routes.router.add_route("*", "/{path:.*}", server.handle)
    async with TestServer(routes) as running:
        reach = Access(Configuration(host=str(running.make_url(""))))
        operator = Operator(Settings(port=0), reach)
        stop = asyncio.Event()
        task = asyncio.create_task(operator.run(stop))
        yield Setting(server, operator, stop, task)
        stop.set()
        await asyncio.wait({task})


async def test_it_works_once_its_kinds_are_there_and_gives_the_lease_back(
    setting: Setting,
) -> None:
    server = setting.server
    async with asyncio.timeout(20), aiohttp.ClientSession() as session:
        await setting.operator.listening.wait()
        assert (await setting.ready(session))["kinds"] == "waiting for our kinds"
        assert server.lease is None
        server.installed = True
        written = await server.status.get()
        assert written["status"]["observedGeneration"] == 1
        said = await setting.ready(session)
        assert (said["kinds"], said["api"]) == ("ok", "ok")
        setting.stop.set()
        await setting.task
    assert server.lease
    assert server.lease["spec"]["holderIdentity"] == ""


async def test_it_stops_while_it_waits(setting: Setting) -> None:
    async with asyncio.timeout(20):
        await setting.operator.listening.wait()
        setting.stop.set()
        await setting.task
    assert setting.server.lease is None


async def test_a_part_that_ends_ends_the_operator(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: Watches) -> None:
        raise ValueError("a defect")

    monkeypatch.setattr(Watches, "run", broken)
    setting.server.installed = True
    async with asyncio.timeout(20):
        with pytest.raises(ExceptionGroup) as caught:
            await setting.task
    assert "a defect" in str(caught.value.exceptions[0])


def test_without_a_way_to_an_api_server_it_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nowhere/config")
    monkeypatch.setattr(logs, "configure", lambda level: None)
    assert entry.run() == 2
