"""What a gateway sees of the sessions of a rollout, and tells of it over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from crds.observations import Observations
from runtime.audit import Candidate, Record
from runtime.audit.kinds import MetricsEntry
from runtime.gateway.story.inquiry import Inquiry, Question
from runtime.limits.visits import Visit
from runtime.sessions.tally import MAX_METRICS, Mark
from runtime.tracing import trace_of
from tests.unit.runtime.gateway.test_rollout import NEW, route, split
from tests.unit.runtime.stubs.engine import Stub, running
from tests.unit.runtime.stubs.gateway import House, house, serving
from tests.unit.runtime.stubs.waiting import eventually

ASK = {"question": "Open the gate?", "options": ["yes", "no"]}
#: A session in which nothing went wrong.
CALM = {"member-errors": 0.0, "fallbacks": 0.0, "deadline-misses": 0.0}


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    """Three members; the second has a new revision at the fourth stub."""
    async with (
        house(tmp_path, *(Stub() for _ in range(3))) as found,
        running(Stub()) as new,
    ):
        found.stubs.append(new)
        yield found


async def roll_out(home: House, generation: int = 8, **changes: Any) -> None:
    await route(home, generation, split={**split(home, 50), "watchedSeconds": 600, **changes})


async def observed(home: House, **asked: Any) -> Observations:
    answer = await home.client.get("/v1/observations", params={"rollout": "s1", **asked})
    assert answer.status_code == 200, answer.text
    return Observations.model_validate_json(answer.content)


async def due(home: House) -> None:
    """Let the windows of all sessions be over."""
    await home.gateway.observing.look(datetime.now(UTC) + timedelta(hours=1))


async def session_in(home: House, arm: str) -> str:
    while True:
        session = await home.session()
        if (await home.gateway.sessions.get(session)).arm == f"s1:{arm}":
            return session


async def read(home: House, decision: str) -> Record:
    record = await home.gateway.decisions.get(decision)
    assert record is not None
    return record


async def test_sessions_of_both_arms_are_told_of_by_cursor(home: House) -> None:
    await home.session()  # before it began
    await roll_out(home)
    sessions = [await session_in(home, arm) for arm in ("Canary", "Baseline")]
    assigned = await observed(home)
    assert not assigned.more
    assert {each.kind for each in assigned.observations} == {"Assigned"}
    for session in sessions:
        await home.decide(session, **ASK)
    assert (await observed(home, after=assigned.through)).observations == []
    await due(home)
    told = await observed(home, after=assigned.through)
    assert sorted(each.arm for each in told.observations) == ["Baseline", "Canary"]
    for each in told.observations:
        assert (each.kind, each.values) == ("Outcome", CALM)
    first = await observed(home, limit=1)
    assert (len(first.observations), first.more) == (1, True)
    assert first.through == first.observations[0].sequence
    assert (await observed(home, rollout="another")).observations == []


async def test_a_share_of_what_was_promoted_is_watched_on_and_told_apart(home: House) -> None:
    await roll_out(home)
    before = await session_in(home, "Canary")
    after = {"salt": "s1-after", "percent": 0, "canary": [], "promotedPercent": 60}
    await route(home, 9, split={**split(home, 0), "watchedSeconds": 600, **after})
    assert (await read(home, (await home.decide(before, **ASK))["id"])).arm is None
    arms = {}
    for _ in range(20):
        session = await home.session()
        arms[session] = (await home.gateway.sessions.get(session)).arm
    watched = [session for session, arm in arms.items() if arm == "s1-after:Promoted"]
    assert {*arms.values()} == {"s1-after:Promoted", "s1-after:Rest"}
    home.stubs[1].behaviour = "empty"
    record = await read(home, (await home.decide(watched[0], **ASK))["id"])
    assert (record.arm, record.rollout) == ("Promoted", "s1-after")
    assert record.candidates[1].revision == "0000000a", "everyone is told by what the table says"
    await due(home)
    told = (await observed(home, rollout="s1-after")).observations
    assert [each.kind for each in told] == ["Assigned"] * len(watched) + ["Outcome"]
    assert {each.arm for each in told} == {"Promoted"}
    assert told[-1].values == {**CALM, "member-errors": 1.0}
    assert {each.kind for each in (await observed(home)).observations} == {"Assigned"}


async def test_what_was_seen_outlasts_a_restart(home: House) -> None:
    await roll_out(home)
    session = await session_in(home, "Canary")
    await home.decide(session, **ASK)
    await due(home)
    before = await observed(home)
    await home.gateway.close()
    async with serving(home.folder) as (client, gateway):
        again = House(client, gateway, home.stubs, home.folder)
        await eventually(lambda: gateway.unready is None)
        assert await observed(again) == before


async def test_a_canary_that_fails_shows_in_its_own_sessions_alone(home: House) -> None:
    await roll_out(home)
    home.stubs[3].behaviour = "empty"
    for arm in ("Canary", "Baseline"):
        await home.decide(await session_in(home, arm), **ASK)
    await due(home)
    told = {each.arm: each.values for each in (await observed(home)).observations if each.values}
    assert told["Canary"] == {**CALM, "member-errors": 1.0}
    assert told["Baseline"] == CALM


async def test_a_settled_vote_waits_for_whom_is_tried_out_until_he_is_slow(home: House) -> None:
    await roll_out(home, slowAboveMs=60)
    home.stubs[1].behaviour = home.stubs[3].behaviour = "hang"
    for arm, revision in (("Canary", NEW), ("Baseline", "0000000a")):
        made = await home.decide(await session_in(home, arm), **ASK)
        record = await read(home, made["id"])
        oracle = record.candidates[1]
        assert (oracle.revision, oracle.state) == (revision, "Cancelled")
        assert record.watched is not None
        assert (record.watched.failed, record.watched.slow) == (None, True)
        assert 60 < oracle.latency_ms < 5000
        assert record.result.outcome == "Vote"


async def test_a_settled_vote_hears_an_answer_that_comes_before_that(home: House) -> None:
    await roll_out(home, slowAboveMs=4000)
    for arm, stub in (("Canary", home.stubs[3]), ("Baseline", home.stubs[1])):
        stub.behaviour = "slow"
        heard: list[str] = []

        def hear(candidate: Candidate, stub: Stub = stub, heard: list[str] = heard) -> None:
            heard.append(candidate.member)
            if len(heard) == 2:
                stub.release.set()

        session = await session_in(home, arm)
        asked = Question("Open the gate?", ("yes", "no"), None)
        inquiry = Inquiry(session, asked, trace_of(None), Visit(), watch=hear)
        record = await home.gateway.teller.decide(inquiry)
        assert heard[-1] == "oracle"
        assert record.candidates[1].state == "Answered"
        assert record.watched is not None
        assert (record.watched.failed, record.watched.slow) == (False, False)


async def test_a_session_whose_player_gave_up_waiting_is_no_good_sign(home: House) -> None:
    await roll_out(home)
    home.stubs[3].behaviour = "hang"
    session = await session_in(home, "Canary")
    asking = asyncio.create_task(home.decide(session, **ASK))
    await eventually(lambda: home.stubs[3].asked)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await eventually(lambda: home.stubs[3].cancelled)
    await due(home)
    outcome = (await observed(home)).observations[-1]
    assert (outcome.kind, outcome.arm, outcome.values) == ("Outcome", "Canary", {})


async def test_nobody_waits_in_sessions_that_are_not_watched(home: House) -> None:
    await roll_out(home, watchedSeconds=None)
    home.stubs[1].behaviour = home.stubs[3].behaviour = "hang"
    session = await session_in(home, "Canary")
    record = await read(home, (await home.decide(session, **ASK))["id"])
    assert (record.arm, record.watched) == ("Canary", None)
    assert record.candidates[1].state == "Cancelled"
    assert (await observed(home)).observations == []


async def test_what_a_game_measures_is_in_the_outcome_and_in_the_log(home: House) -> None:
    await roll_out(home)
    session = await session_in(home, "Canary")
    url = f"/v1/sessions/{session}/metrics"
    for values in ({"quests": 1}, {"quests": 2, "minutes-played": 14.5}):
        answer = await home.client.post(url, json=values)
        assert answer.status_code == 204, answer.text
    log = home.gateway.decisions
    logged = log.entry(len(log) - 1)
    assert isinstance(logged, MetricsEntry)
    assert (logged.session, logged.arm) == (session, "Canary")
    assert logged.values == {"quests": 2.0, "minutes-played": 14.5}
    await due(home)
    outcome = (await observed(home)).observations[-1]
    assert outcome.values == {"quests": 2.0, "minutes-played": 14.5}


async def test_decisions_of_watched_sessions_are_counted_by_arm_for_prometheus(
    home: House,
) -> None:
    await roll_out(home)
    canary = {"rollout": "s1", "arm": "Canary", "outcome": "Vote"}
    value = home.gateway.metrics.registry.get_sample_value
    name = "fabula_gateway_arm_decisions_total"
    assert value(name, canary) == 0, "it is seen to begin at 0"
    for arm in ("Canary", "Baseline"):
        await home.decide(await session_in(home, arm), **ASK)
    assert value(name, canary) == 1
    seconds = {"rollout": "s1", "arm": "Baseline"}
    assert value("fabula_gateway_arm_decision_seconds_count", seconds) == 1
    await route(home, 9)
    assert value(name, canary) is None, "a rollout that is over is no series"


async def test_what_is_measured_of_other_sessions_is_let_go(home: House) -> None:
    before = await home.session()
    await roll_out(home)
    rest = [before]
    entries = len(home.gateway.decisions)
    for session in rest:
        answer = await home.client.post(f"/v1/sessions/{session}/metrics", json={"quests": 1})
        assert answer.status_code == 204
    assert len(home.gateway.decisions) == entries
    assert (await home.client.post("/v1/sessions/s-1/metrics", json={"q": 1})).status_code == 404


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({}, "at least 1"),
        ({"Quests": 1}, "pattern"),
        ({"member-errors": 1}, "counted by the gateway"),
        ({"quests": "many"}, "number"),
        ({"quests": True}, "number"),
        ({f"m{at}": 1 for at in range(MAX_METRICS + 1)}, "at most 16"),
    ],
)
async def test_metrics_that_cannot_be_are_refused_with_the_reason(
    home: House, body: dict[str, Any], fault: str
) -> None:
    session = await home.session()
    answer = await home.client.post(f"/v1/sessions/{session}/metrics", json=body)
    assert answer.status_code == 422
    assert fault in answer.text


async def test_a_session_keeps_no_more_metrics_than_it_may_have(home: House) -> None:
    await roll_out(home)
    url = f"/v1/sessions/{await session_in(home, 'Canary')}/metrics"
    full = {f"m{at}": 1 for at in range(MAX_METRICS)}
    assert (await home.client.post(url, json=full)).status_code == 204
    answer = await home.client.post(url, json={"another": 1})
    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:fabula:problem:metrics-full"


async def test_an_answer_given_again_shows_nothing_of_the_member(home: House) -> None:
    await home.configure(cache={"exact": {}})
    await roll_out(home)
    for _ in range(2):
        session = await session_in(home, "Canary")
        record = await read(home, (await home.decide(session, **ASK))["id"])
    assert record.cached_from is not None
    assert record.watched is not None
    assert Mark.of(record) == Mark(None, None, False, record.watched.until)
