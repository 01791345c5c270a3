"""Gateways are asked only where they can be, and not believed when they are odd."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from controllers.plan import Object
from operators.observe.reports import MAX_BYTES, Gateways, may_ask

GOOD = {"storyteller": "bard", "quorum": True, "decisions": 3}


def pod(**changes: Any) -> Object:
    owner = {"kind": "StatefulSet", "name": "bard-gateway", "controller": True, "uid": "1"}
    return {
        "metadata": {"name": "bard-gateway-0", "ownerReferences": [owner]},
        "spec": {},
        "status": {"phase": "Running", "podIP": "127.0.0.1"},
    } | changes


@pytest.fixture
async def gateways() -> AsyncIterator[tuple[Gateways, dict[str, Any]]]:
    answer: dict[str, Any] = {"body": json.dumps(GOOD), "status": 200, "wait": False}

    async def status(_: web.Request) -> web.Response:
        if answer["wait"]:
            await asyncio.Event().wait()
        headers = {"Location": "/elsewhere"}
        return web.Response(text=answer["body"], status=answer["status"], headers=headers)

    app = web.Application()
    app.router.add_get("/v1/status", status)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        yield Gateways(session, timeout=0.2, port=server.port or 0), answer


async def test_a_report_is_known_by_its_pod(gateways: tuple[Gateways, dict[str, Any]]) -> None:
    asking, _ = gateways
    reports = await asking.ask("bard", [pod()])
    assert reports["bard-gateway-0"].decisions == 3


@pytest.mark.parametrize(
    "odd",
    [
        {"body": "not json"},
        {"body": json.dumps({**GOOD, "quorum": "perhaps"})},
        {"body": json.dumps({**GOOD, "more": 1})},
        {"body": json.dumps({**GOOD, "storyteller": "another"})},
        {"body": json.dumps(GOOD) + " " * MAX_BYTES * 2},
        {"status": 500},
        {"status": 302},
        {"wait": True},
    ],
    ids=["garbage", "type", "field", "name", "size", "error", "redirect", "slow"],
)
async def test_an_odd_answer_is_as_none(
    gateways: tuple[Gateways, dict[str, Any]], odd: dict[str, Any]
) -> None:
    asking, answer = gateways
    answer.update(odd)
    assert await asking.ask("bard", [pod()]) == {}


async def test_nobody_listening_is_no_answer() -> None:
    async with aiohttp.ClientSession() as session:
        assert await Gateways(session, timeout=0.2, port=1).ask("bard", [pod()]) == {}


OTHER = {"kind": "StatefulSet", "name": "other", "controller": True, "uid": "1"}


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p["metadata"].update(ownerReferences=[]),
        lambda p: p["metadata"].update(ownerReferences=[OTHER]),
        lambda p: p["spec"].update(hostNetwork=True),
        lambda p: p["status"].update(phase="Pending"),
        lambda p: p["status"].pop("podIP"),
    ],
)
def test_a_pod_that_a_tenant_dressed_up_is_not_called(change: Callable[[Object], None]) -> None:
    assert may_ask("bard", pod())
    odd = pod()
    change(odd)
    assert not may_ask("bard", odd)
