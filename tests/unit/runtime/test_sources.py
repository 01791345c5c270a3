"""Watching ConfigMaps: changes arrive at once, and nothing that the API server does ends it."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from runtime.sources import ClusterSource
from tests.unit.runtime.stubs.waiting import eventually


@dataclass
class Api:
    """As much of an API server as a watch of one ConfigMap needs."""

    data: dict[str, str] | None = None
    version: int = 1
    #: Events for the watch that runs; None ends it.
    events: "asyncio.Queue[dict[str, Any] | None]" = field(default_factory=asyncio.Queue)
    lists: int = 0
    watches: list[str] = field(default_factory=list)
    refuse: list[int] = field(default_factory=list)
    authorization: list[str | None] = field(default_factory=list)

    def object(self) -> dict[str, Any]:
        return {"metadata": {"name": "bard-gateway"}, "data": self.data}

    def change(self, kind: str, data: dict[str, str] | None) -> None:
        self.version += 1
        self.data = data
        self.events.put_nowait({"type": kind, "object": self.object()})

    async def answer(self, request: web.Request) -> web.StreamResponse:
        assert request.query["fieldSelector"] == "metadata.name=bard-gateway"
        self.authorization.append(request.headers.get("authorization"))
        if self.refuse:
            return web.json_response({"kind": "Status"}, status=self.refuse.pop(0))
        if "watch" not in request.query:
            self.lists += 1
            items = [] if self.data is None else [self.object()]
            return web.json_response(
                {"metadata": {"resourceVersion": str(self.version)}, "items": items}
            )
        self.watches.append(request.query["resourceVersion"])
        response = web.StreamResponse()
        await response.prepare(request)
        while (event := await self.events.get()) is not None:
            await response.write(json.dumps(event).encode() + b"\n")
        return response


@pytest.fixture
async def api() -> AsyncIterator[tuple[Api, str]]:
    api = Api(data={"gateway.json": "first"})
    app = web.Application()
    app.router.add_get("/api/v1/namespaces/default/configmaps", api.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield api, f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def source(api: tuple[Api, str], tmp_path: Path) -> AsyncIterator[ClusterSource]:
    (tmp_path / "token").write_text("the-token\n")
    source = ClusterSource("default", server=api[1], account=tmp_path, rng=random.Random(1))
    yield source
    await source.close()


async def following(source: ClusterSource, count: int) -> list[str | None]:
    """The next texts."""
    seen = []
    async with (
        asyncio.timeout(20),
        aclosing(source.follow("bard-gateway", "gateway.json")) as texts,
    ):
        async for text in texts:
            seen.append(text)
            if len(seen) == count:
                break
    return seen


async def test_changes_arrive_after_the_list(api: tuple[Api, str], source: ClusterSource) -> None:
    server, _ = api
    task = asyncio.create_task(following(source, 4))
    server.change("MODIFIED", {"gateway.json": "second"})
    server.change("DELETED", {"gateway.json": "second"})
    server.change("ADDED", {"gateway.json": "x" * 300_000})
    seen = await task
    assert seen[-3:] == ["second", None, "x" * 300_000]
    assert server.authorization[0] == "Bearer the-token"


async def test_a_missing_config_map_is_waited_for(
    api: tuple[Api, str], source: ClusterSource
) -> None:
    server, _ = api
    server.data = None
    task = asyncio.create_task(following(source, 2))
    await eventually(lambda: server.watches)
    server.change("ADDED", {"gateway.json": "there"})
    assert await task == [None, "there"]


async def test_an_ended_watch_and_a_lost_history_are_begun_again(
    api: tuple[Api, str], source: ClusterSource
) -> None:
    server, _ = api
    task = asyncio.create_task(following(source, 3))
    server.events.put_nowait(None)
    gone = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}}
    server.events.put_nowait(gone)
    assert await task == ["first", "first", "first"]
    assert server.lists == 3


async def test_refusals_are_waited_out(api: tuple[Api, str], source: ClusterSource) -> None:
    server, _ = api
    server.refuse = [403, 500]
    assert await following(source, 1) == ["first"]
