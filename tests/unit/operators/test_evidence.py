"""Gateways are asked for what they saw from where the checkpoint ends, and not too often."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from controllers.delivery.checkpoint import dump, dump_watch, load
from controllers.delivery.evidence import start
from controllers.delivery.plan import AnalysisPlan
from controllers.delivery.watch import begin
from controllers.ensemble.rollout.terms import agreed
from controllers.plan import Children, Object
from crds import API_VERSION, ModelEnsemble
from crds.observations import Observations
from crds.rollout import Rollout
from operators.observe.evidence import MOST, Observers
from operators.observe.reports import Gateways
from tests.unit.controllers.experiment.script import running
from tests.unit.operators.fakes import Clock, FakeApi

SALT = "5a17"
POLICY = Rollout.model_validate(
    {
        "steps": [{"trafficPercent": 5, "pauseMinutes": 1}],
        "guardrails": [{"metric": "fallbacks"}],
    }
)
TERMS = agreed(POLICY, None)
assert TERMS.plan
PLAN = TERMS.plan
LABELS = {"app.kubernetes.io/managed-by": "fabula", "fabula.dev/storyteller": "bard"}


def pod(name: str = "bard-gateway-0") -> Object:
    owner = {"kind": "StatefulSet", "name": "bard-gateway", "controller": True, "uid": "1"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "play",
            "labels": LABELS,
            "ownerReferences": [owner],
        },
        "spec": {},
        "status": {"phase": "Running", "podIP": "127.0.0.1"},
    }


def storyteller(name: str, ensemble: str) -> Object:
    metadata = {"name": name, "namespace": "play"}
    spec = {"ensembleRef": ensemble}
    return {"apiVersion": API_VERSION, "kind": "Storyteller", "metadata": metadata, "spec": spec}


def ensemble(phase: str = "Stepping", **changes: Any) -> ModelEnsemble:
    rollout = {
        "number": 1,
        "member": "sage",
        "revisions": [],
        "phase": phase,
        "step": 1,
        "progress": "",
        "message": "",
        "salt": SALT,
        "startedAt": "2026-11-23T12:00:00Z",
        "plan": TERMS.digest,
    } | changes
    members = [{"name": "sage", "engine": {"llamacpp": {"model": {"package": "m"}}}}]
    return ModelEnsemble.parse(
        {
            "metadata": {"name": "council", "namespace": "play", "uid": "me-1"},
            "spec": {"members": members, "rollout": POLICY.dump()},
            "status": {"rollout": rollout},
        }
    )


def checkpoint(*, salt: str = SALT, plan: AnalysisPlan = PLAN, **cursor: int) -> Children:
    """What is stored, with the logs counted up to there."""
    text = dump(replace(start(plan), cursor=cursor), plan)
    owner = {"kind": "ModelEnsemble", "name": "council", "controller": True, "uid": "me-1"}
    return Children(
        [
            {
                "kind": "ConfigMap",
                "metadata": {"name": "council-analysis", "ownerReferences": [owner]},
                "data": {"rollout": salt, "checkpoint.json": text},
            }
        ]
    )


def entry(sequence: int) -> Object:
    return {"sequence": sequence, "kind": "Assigned", "arm": "Canary"}


@dataclass
class Gateway:
    """One gateway, whose log can be another after a while."""

    log: str = "one"
    entries: list[Object] = field(default_factory=lambda: [entry(3), entry(7), entry(8)])
    more: bool = False
    changes: Object = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)

    async def observations(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.query))
        after = int(request.query.get("after", -1))
        answer = {
            "log": self.log,
            "rollout": request.query["rollout"],
            "observations": [each for each in self.entries if each["sequence"] > after],
            "through": 9,
            "more": self.more,
        }
        return web.json_response(answer | self.changes)

    @property
    def afters(self) -> list[str | None]:
        return [query.get("after") for query in self.asked]


@dataclass
class Setting:
    gateway: Gateway
    observers: Observers
    clock: Clock
    api: FakeApi
    again_in: float | None = None

    async def ask(
        self, of: ModelEnsemble | None = None, known: Children | None = None
    ) -> tuple[Observations, ...]:
        told, self.again_in = await self.observers(
            self.api, of or ensemble(), None, known or Children()
        )
        return told

    async def sequences(self, known: Children | None = None) -> list[int]:
        """What is told when it is due."""
        self.clock.now += 100
        return [each.sequence for told in await self.ask(None, known) for each in told.observations]


@pytest.fixture
async def setting() -> AsyncIterator[Setting]:
    gateway, clock, api = Gateway(), Clock(), FakeApi()
    api.put(storyteller("bard", "council"))
    api.put(storyteller("other", "choir"))
    api.put(pod())
    app = web.Application()
    app.router.add_get("/v1/observations", gateway.observations)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        gateways = Gateways(session, timeout=0.5, port=server.port or 0)
        yield Setting(gateway, Observers(gateways, clock), clock, api)


async def test_a_log_is_read_from_where_it_counts_already(setting: Setting) -> None:
    assert await setting.sequences() == [3, 7, 8]
    assert await setting.sequences(checkpoint(one=3)) == [7, 8]
    assert await setting.sequences(checkpoint(one=8)) == []
    assert setting.gateway.afters == [None, "3", "8"]
    assert setting.gateway.asked[0] == {"rollout": SALT, "limit": str(MOST)}


async def test_a_new_operator_learns_whose_log_it_is_and_reads_on(setting: Setting) -> None:
    assert await setting.sequences(checkpoint(one=7, two=1)) == [8]
    assert setting.gateway.afters == [None, "7"]


async def test_another_volume_is_read_from_its_first_entry(setting: Setting) -> None:
    await setting.sequences()
    setting.gateway.log = "two"
    assert await setting.sequences(checkpoint(one=7)) == [3, 7, 8]
    assert setting.gateway.afters == [None, "7", None]


async def test_where_the_analysis_begins_anew_logs_are_read_from_their_first_entry(
    setting: Setting,
) -> None:
    await setting.sequences()
    assert await setting.sequences(checkpoint(salt="another", one=7)) == [3, 7, 8]
    other = AnalysisPlan(PLAN.metrics, cap=77)
    assert await setting.sequences(checkpoint(plan=other, one=7)) == [3, 7, 8]


async def test_every_gateway_of_those_that_use_the_ensemble_is_asked(setting: Setting) -> None:
    setting.api.put(pod("bard-gateway-1"))
    foreign = pod("other-gateway-0")
    foreign["metadata"]["labels"] = {**LABELS, "fabula.dev/storyteller": "other"}
    setting.api.put(foreign)
    await setting.ask()
    assert [query["limit"] for query in setting.gateway.asked] == [str(MOST // 2)] * 2


async def test_it_is_asked_again_after_a_while_or_soon_if_there_is_more(setting: Setting) -> None:
    assert await setting.ask()
    setting.clock.now += 10
    assert await setting.ask() == ()
    assert setting.again_in == 20
    setting.clock.now += 20
    setting.gateway.more = True
    assert await setting.ask()
    assert setting.again_in == 1
    assert await setting.ask() == ()
    setting.clock.now += 1
    assert await setting.ask()
    assert len(setting.gateway.asked) == 3


PROVEN = {"kind": "Proven", "pairs": 9, "message": "", "digest": ""}


async def test_after_a_promotion_that_was_proven_its_sessions_are_asked_for(
    setting: Setting,
) -> None:
    known = checkpoint(one=3)
    assert await setting.ask(ensemble("Promoted", verdict=PROVEN), known)
    salt = f"{SALT}-after"
    assert [query["rollout"] for query in setting.gateway.asked] == [salt, salt]
    assert setting.gateway.afters == [None, "3"], "what came after the rollout's own"
    (stored,) = known
    text = stored["data"]["checkpoint.json"]
    seen = replace(begin(load(text, PLAN), PLAN), cursor={"one": 7})
    stored["data"]["watch.json"] = dump_watch(seen, PLAN)
    setting.clock.now += 100
    told = await setting.ask(ensemble("Promoted", verdict=PROVEN), known)
    assert [each.sequence for answer in told for each in answer.observations] == [8]


@pytest.mark.parametrize(
    "changes",
    [
        {"phase": "Promoted"},
        {
            "phase": "Promoted",
            "verdict": PROVEN,
            "watch": {"drifted": ["fallbacks"], "message": ""},
        },
        {"phase": "Complete", "verdict": PROVEN},
        {"phase": "Aborted"},
        {"step": 0},
        {"plan": None},
    ],
)
async def test_nobody_is_asked_while_nothing_is_judged(
    setting: Setting, changes: dict[str, Any]
) -> None:
    assert await setting.ask(ensemble(**changes)) == ()
    assert setting.gateway.asked == []
    assert setting.api.requests == []


@pytest.mark.parametrize(
    "odd",
    [
        {"rollout": "another"},
        {"log": "x" * 401},
        {"observations": [entry(5), entry(5)]},
        {"observations": [entry(5), entry(4)]},
        {"observations": [entry(n) for n in range(MOST + 1)]},
        {"observations": [{**entry(1), "arm": "Rest"}]},
        {"schemaVersion": 2},
    ],
    ids=["rollout", "name", "twice", "back", "many", "arm", "version"],
)
async def test_an_odd_answer_is_as_none(setting: Setting, odd: Object) -> None:
    setting.gateway.changes = odd
    assert await setting.ask() == ()


async def test_entries_that_were_not_asked_for_are_as_none(setting: Setting) -> None:
    await setting.ask()
    setting.gateway.changes = {"observations": [entry(3)]}
    assert await setting.sequences(checkpoint(one=3)) == []


async def test_of_an_experiment_every_gateway_of_its_world_is_asked_from_its_own_checkpoint(
    setting: Setting,
) -> None:
    script = running()
    salt = script.status.salt or ""

    async def ask() -> list[int]:
        seen = script.observed
        told, setting.again_in = await setting.observers.of_experiment(setting.api, seen)
        return [each.sequence for answer in told for each in answer.observations]

    assert await ask() == [3, 7, 8]
    assert setting.gateway.asked[0] == {"rollout": salt, "limit": str(MOST)}
    assert setting.again_in == 15
    assert await ask() == []
    script.ask("Abort")
    setting.clock.now += 100
    assert await ask() == []
    assert setting.again_in is None
    assert len(setting.gateway.asked) == 1
