"""kopf is used for watching alone, comes back when it ends, and ends when it is told."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import Configuration

from controllers.plan import Object, Ref
from crds import API_VERSION, KINDS
from operators import watch
from operators.access import Access
from operators.metrics import Metrics
from operators.resources import PLURALS
from operators.triggers import Sighting
from operators.watch import MANAGED_BY, OURS, SHARED, Watches, settings

VERBS = ["list", "watch", "patch"]
SECONDS = 120


def world(name: str, version: int) -> Object:
    metadata = {"name": name, "namespace": "play", "uid": name, "resourceVersion": str(version)}
    return {"apiVersion": API_VERSION, "kind": "World", "metadata": metadata, "spec": {}}


@dataclass
class ApiServer:
    """Discovery, empty lists, and a watch of worlds, the newest of which a test feeds."""

    events: "asyncio.Queue[Object]" = field(default_factory=asyncio.Queue)
    listed: list[Object] = field(default_factory=list)
    selectors: dict[str, str] = field(default_factory=dict)
    methods: set[str] = field(default_factory=set)
    watching: asyncio.Event = field(default_factory=asyncio.Event)
    fail: bool = False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.methods.add(request.method)
        path = request.path.strip("/")
        plural = path.rpartition("/")[2]
        if plural in {kind.names.plural for kind in KINDS} | set(PLURALS.values()):
            self.selectors[plural] = request.query.get("labelSelector", "")
            if "watch" in request.query:
                return await self._watch(request, plural)
            items = self.listed if plural == "worlds" else []
            body = {"apiVersion": API_VERSION, "kind": "WorldList", "items": items}
            return web.json_response({**body, "metadata": {"resourceVersion": "1"}})
        return web.json_response(discovery(path))

    async def _watch(self, request: web.Request, plural: str) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        if plural == "worlds":
            # Its own queue: a watch that was given up may still wait here for what is not its.
            events = self.events = asyncio.Queue()
            self.watching.set()
            while True:
                event = await events.get()
                await response.write(json.dumps(event).encode() + b"\n")
        await asyncio.Event().wait()
        return response


def discovery(path: str) -> Object:
    """What /api, /apis and the group versions say."""
    wanted = [(API_VERSION, kind.names.kind) for kind in KINDS] + [*OURS, *SHARED]
    extra = {"v1": ["namespaces"], "apiextensions.k8s.io/v1": ["customresourcedefinitions"]}
    versions = {version for version, _ in wanted} | set(extra)
    if path == "api":
        return {"versions": ["v1"]}
    if path == "apis":
        groups = []
        for version in sorted(versions - {"v1"}):
            group, _, short = version.partition("/")
            said = {"groupVersion": version, "version": short}
            groups.append({"name": group, "versions": [said], "preferredVersion": said})
        return {"groups": groups}
    version = path.partition("/")[2]
    names = [PLURALS[v, kind] for v, kind in wanted if v == version] + extra.get(version, [])
    return {
        "resources": [
            {"name": name, "kind": name, "singularName": "", "namespaced": True, "verbs": VERBS}
            for name in names
        ]
    }


@dataclass
class Setting:
    server: ApiServer
    watches: Watches
    seen: "asyncio.Queue[Sighting]"
    task: "asyncio.Task[None]"


@pytest.fixture
async def setting() -> AsyncIterator[Setting]:
    server = ApiServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    async with TestServer(app, shutdown_timeout=0.1) as running:
        seen: asyncio.Queue[Sighting] = asyncio.Queue()
        conf = Configuration(host=str(running.make_url("")))
        watches = Watches(Access(conf), (), seen.put_nowait, Metrics(), rng=lambda: 0.0)
        task = asyncio.create_task(watches.run())
        yield Setting(server, watches, seen, task)
        task.cancel()
        await asyncio.wait({task})


async def test_what_is_and_what_comes_is_seen_and_nothing_is_written(setting: Setting) -> None:
    server = setting.server
    server.listed = [world("ember", 1)]
    async with asyncio.timeout(SECONDS):
        first = await setting.seen.get()
        assert first.ref == Ref(API_VERSION, "World", "play", "ember")
        assert setting.watches.established
        await server.watching.wait()
        server.events.put_nowait({"type": "ADDED", "object": world("frost", 2)})
        assert (await setting.seen.get()).ref.name == "frost"
        server.events.put_nowait({"type": "DELETED", "object": world("frost", 3)})
        assert (await setting.seen.get()).ref.name == "frost"
    assert server.methods == {"GET"}
    assert server.selectors["deployments"] == MANAGED_BY
    assert server.selectors["configmaps"] == server.selectors["worlds"] == ""


async def test_a_watch_that_cannot_go_on_is_begun_anew(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "RETRY_BASE", 0.01)
    monkeypatch.setattr(watch, "GOODBYE", 0.1)
    async with asyncio.timeout(SECONDS):
        await setting.server.watching.wait()
        setting.server.watching.clear()
        error = {"kind": "Status", "code": 403, "message": "no more"}
        setting.server.events.put_nowait({"type": "ERROR", "object": error})
        await setting.server.watching.wait()


def test_kopf_writes_nothing_and_waits_no_longer_than_it_should() -> None:
    chosen = settings()
    assert not chosen.posting.enabled
    assert chosen.scanning.disabled
    assert chosen.peering.standalone
    assert chosen.process.ultimate_exiting_timeout is None
    backoffs = chosen.networking.error_backoffs
    assert not isinstance(backoffs, float)
    once, again = list(backoffs), list(backoffs)
    assert len(once) == 5
    assert max(once) <= 5
    assert once != again
