"""Prometheus is asked about windows that are over, once each, and what is odd is as no answer."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from controllers.delivery.checkpoint import dump
from controllers.delivery.evidence import start
from controllers.delivery.windows import LOG, Told
from controllers.ensemble.rollout.terms import agreed
from controllers.plan import Children, Object
from crds import ModelEnsemble, World
from operators.observe.prometheus import SELDOM, Prometheus
from tests.unit.operators.fakes import Clock

SALT = "5a17"
BEGUN = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
FIRST = int(BEGUN.timestamp()) // 60
METRIC = {
    "name": "quests-failed",
    "direction": "LowerIsBetter",
    "low": "0",
    "high": "1",
    "prometheus": {"query": 'sum(x{rollout="$rollout",arm="$arm"}[$window])'},
}


def world(address: str) -> World:
    spec = {"metrics": [METRIC], "prometheus": {"address": address}}
    return World.parse({"metadata": {"name": "ember", "namespace": "play"}, "spec": spec})


def ensemble(address: str, **changes: Any) -> ModelEnsemble:
    rollout = {
        "steps": [{"trafficPercent": 5, "pauseMinutes": 1}],
        "guardrails": [{"metric": "member-errors"}, {"metric": "quests-failed"}],
        "analysis": {"windowSeconds": 60},
    }
    members = [{"name": "sage", "engine": {"llamacpp": {"model": {"package": "m"}}}}]
    made = ModelEnsemble.parse(
        {
            "metadata": {"name": "council", "namespace": "play", "uid": "me-1"},
            "spec": {"members": members, "rollout": rollout},
        }
    )
    status = {
        "number": 1,
        "member": "sage",
        "revisions": [],
        "phase": "Stepping",
        "step": 1,
        "progress": "",
        "message": "",
        "salt": SALT,
        "startedAt": "2026-11-23T12:00:00Z",
        "plan": agreed(made.spec.rollout, world(address), (address,)).digest,
    }
    return ModelEnsemble.parse(
        {
            "metadata": {"name": "council", "namespace": "play", "uid": "me-1"},
            "spec": {"members": members, "rollout": rollout},
            "status": {"rollout": status | changes},
        }
    )


def row(*values: str, first: int = FIRST) -> Object:
    """A series with a value at the end of each window."""
    return {
        "metric": {},
        "values": [[60 * (first + at + 1), value] for at, value in enumerate(values)],
    }


def said(*series: Object) -> Object:
    return {"status": "success", "data": {"resultType": "matrix", "result": list(series)}}


@dataclass
class Server:
    """Speaks the HTTP API, as far as it is asked."""

    answers: dict[str, Any] = field(
        default_factory=lambda: {
            "Canary": said(row("0.5", "NaN")),
            "Baseline": said(row("0.25", "0")),
        }
    )
    status: int = 200
    hangs: bool = False
    asked: list[dict[str, Any]] = field(default_factory=list)

    async def query_range(self, request: web.Request) -> web.StreamResponse:
        form = dict(await request.post())
        self.asked.append(form)
        if self.hangs:
            await asyncio.Event().wait()
        arm = "Canary" if 'arm="Canary"' in str(form["query"]) else "Baseline"
        return web.json_response(self.answers[arm], status=self.status)


@dataclass
class Setting:
    server: Server
    prometheus: Prometheus
    address: str
    clock: Clock
    time: list[datetime]

    async def ask(self, known: Children | None = None, **changes: Any) -> Told | None:
        return await self.prometheus(
            ensemble(self.address, **changes), world(self.address), known or Children()
        )

    async def trouble(self) -> str:
        told = await self.ask()
        assert told is not None
        assert told.windows == ()
        return told.trouble or ""


@pytest.fixture
async def setting() -> AsyncIterator[Setting]:
    server, clock = Server(), Clock()
    time = [BEGUN + timedelta(seconds=150)]
    app = web.Application()
    app.router.add_post("/prom/api/v1/query_range", server.query_range)
    async with TestServer(app) as running, aiohttp.ClientSession() as session:
        address = f"http://127.0.0.1:{running.port}/prom"
        prometheus = Prometheus(session, (address,), clock, lambda: time[0], timeout=0.5)
        yield Setting(server, prometheus, address, clock, time)


def counted(setting: Setting, number: int) -> Children:
    terms = agreed(
        ensemble(setting.address).spec.rollout, world(setting.address), (setting.address,)
    )
    assert terms.queries
    plan = terms.queries.plan
    text = dump(replace(start(plan), cursor={LOG: number}), plan)
    owner = {"kind": "ModelEnsemble", "name": "council", "controller": True, "uid": "me-1"}
    return Children(
        [
            {
                "kind": "ConfigMap",
                "metadata": {"name": "council-analysis", "ownerReferences": [owner]},
                "data": {"rollout": SALT, "windows.json": text},
            }
        ]
    )


async def test_both_arms_are_asked_about_the_windows_that_are_over(setting: Setting) -> None:
    told = await setting.ask()
    assert told is not None
    found = [(each.number, dict(each.canary), dict(each.baseline)) for each in told.windows]
    assert found == [
        (FIRST, {"quests-failed": 0.5}, {"quests-failed": 0.25}),
        (FIRST + 1, {}, {"quests-failed": 0.0}),
    ]
    assert (told.through, told.more, told.trouble) == (FIRST + 1, False, None)
    assert setting.server.asked[0] == {
        "query": f'sum(x{{rollout="{SALT}",arm="Canary"}}[60s])',
        "start": str(60 * (FIRST + 1)),
        "end": str(60 * (FIRST + 2)),
        "step": "60",
        "timeout": "0.5",
    }


async def test_it_is_asked_from_where_the_checkpoint_ends(setting: Setting) -> None:
    told = await setting.ask(counted(setting, FIRST))
    assert told is not None
    assert [each.number for each in told.windows] == [FIRST + 1]
    assert setting.server.asked[0]["start"] == str(60 * (FIRST + 2))
    assert await setting.ask(counted(setting, FIRST + 1)) == Told()
    assert len(setting.server.asked) == 2


async def test_a_backlog_is_told_in_parts(setting: Setting) -> None:
    setting.time[0] = BEGUN + timedelta(days=1)
    told = await setting.ask()
    assert told is not None
    assert (told.more, told.through) == (True, FIRST + 199)


@pytest.mark.parametrize(
    "changes", [{"phase": "Promoted"}, {"step": 0}, {"plan": "of another spec"}]
)
async def test_nobody_is_asked_while_nothing_is_judged(
    setting: Setting, changes: dict[str, Any]
) -> None:
    assert await setting.ask(**changes) is None
    assert setting.server.asked == []


async def test_what_is_not_allowed_is_not_called(setting: Setting) -> None:
    setting.prometheus.allowed = ("http://127.0.0.1:1",)
    assert await setting.ask() is None
    assert setting.server.asked == []


async def test_one_that_does_not_answer_is_left_alone_for_longer_and_longer(
    setting: Setting,
) -> None:
    setting.server.hangs = True
    said_first = await setting.trouble()
    assert said_first == f"Prometheus at {setting.address} does not answer (TimeoutError)"
    asked = len(setting.server.asked)
    assert await setting.trouble() == said_first
    assert len(setting.server.asked) == asked
    setting.server.hangs = False
    setting.clock.now += SELDOM
    told = await setting.ask()
    assert told is not None
    assert len(told.windows) == 2
    assert told.trouble is None


async def test_a_query_that_is_refused_is_said_in_its_own_words(setting: Setting) -> None:
    setting.server.status = 400
    refusal = {"status": "error", "errorType": "bad_data", "error": 'parse\nerror: "x"' + "!" * 500}
    setting.server.answers = dict.fromkeys(("Canary", "Baseline"), refusal)
    trouble = await setting.trouble()
    assert 'refuses the query of quests-failed: parse error: "x"!' in trouble
    assert len(trouble) < 300


async def test_several_series_for_an_arm_are_a_mistake_of_the_query(setting: Setting) -> None:
    setting.server.answers["Canary"] = said(row("1"), row("2"))
    assert await setting.trouble() == (
        "the query of quests-failed gives 2 series for one arm; put sum() around it"
    )


@pytest.mark.parametrize(
    "odd",
    [
        "not an object",
        {"status": "success"} | {"data": {"result": [{"values": [["x", 1]]}]}},
        {"status": "success", "data": {"result": [{"values": [[float("inf"), "1"]]}]}},
        said(row("seven")),
        said(row(*["0.123456789"] * 20_000)),
    ],
    ids=["shape", "values", "time", "number", "long"],
)
async def test_an_odd_answer_is_as_none(setting: Setting, odd: Any) -> None:
    setting.server.answers["Canary"] = odd
    assert await setting.trouble()


async def test_windows_that_were_not_asked_for_are_not_heard(setting: Setting) -> None:
    setting.server.answers = {
        arm: said(row("1", first=FIRST + 5)) for arm in ("Canary", "Baseline")
    }
    told = await setting.ask()
    assert told is not None
    assert told.windows == ()


async def test_a_redirect_is_not_followed(setting: Setting) -> None:
    app = web.Application()

    async def elsewhere(_: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect(f"{setting.address}/api/v1/query_range")

    app.router.add_post("/api/v1/query_range", elsewhere)
    async with TestServer(app) as running:
        setting.address = f"http://127.0.0.1:{running.port}"
        setting.prometheus.allowed = (setting.address,)
        assert "says nothing that can be read" in await setting.trouble()
    assert setting.server.asked == []
