"""Who is asked: frozen members are noticed and skipped, failing ones rest, all come back."""

import asyncio
import random
from pathlib import Path

import pytest

from runtime.gateway.members.circuit import Circuit
from tests.unit.runtime.stubs.engine import Stub
from tests.unit.runtime.stubs.gateway import House, house
from tests.unit.runtime.stubs.waiting import eventually

ASK = {"question": "Does it rain?", "options": ["yes", "no"]}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks in quick succession."""
    monkeypatch.setattr("runtime.gateway.members.voices.CHECK_SECONDS", 0.02)
    monkeypatch.setattr("runtime.gateway.members.voices.SECOND_LOOK_SECONDS", 0.01)
    monkeypatch.setattr("runtime.engines.openai_compatible.CHECK_SECONDS", 0.5)


def answers(home: House) -> list[bool]:
    return [voice.answers for voice in home.gateway.report().voices]


async def test_a_frozen_member_is_reported_skipped_and_welcomed_back(home: House) -> None:
    session = await home.session()
    for stub in home.stubs:
        stub.answer = "yes"
    frozen = home.stubs[0]
    frozen.frozen, frozen.behaviour = True, "hang"
    await eventually(lambda: answers(home) == [False, True, True])
    report = home.gateway.report()
    assert report.quorum
    assert "accepts connections and does nothing" in str(report.voices[0].message)

    decision = await home.decide(session, **ASK)
    assert decision["votes"][0]["error"].startswith("NotReady")
    assert frozen.asked == []

    frozen.frozen, frozen.behaviour = False, "good"
    await eventually(lambda: all(answers(home)))
    home.stubs[1].behaviour = home.stubs[2].behaviour = "error"
    assert (await home.decide(session, **ASK))["votes"][0]["answer"] == "yes"


async def test_a_gateway_that_is_too_busy_to_hear_blames_nobody(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy, looks = True, 0

    async def on_time(seconds: float) -> bool:
        nonlocal looks
        looks += 1
        return not busy

    monkeypatch.setattr("runtime.gateway.members.voices._on_time", on_time)
    monkeypatch.setattr("runtime.engines.openai_compatible.CHECK_SECONDS", 0.02)
    home.stubs[0].frozen = True
    await eventually(lambda: looks > 2)
    assert answers(home) == [True, True, True]
    busy = False
    await eventually(lambda: answers(home) == [False, True, True])


async def test_whoever_waits_for_a_member_that_freezes_waits_no_longer(home: House) -> None:
    frozen = home.stubs[0]
    frozen.behaviour = "slow"
    home.stubs[1].answer, home.stubs[2].answer = "yes", "no"
    asking = asyncio.create_task(home.decide(await home.session(), **ASK))
    await eventually(lambda: frozen.asked)
    frozen.frozen = True
    decision = await asking
    assert decision["votes"][0]["error"].startswith("NotReady")
    assert decision["decision"] == "yes"


async def test_a_member_that_keeps_failing_is_not_asked_for_a_while(home: House) -> None:
    session = await home.session()
    home.stubs[0].behaviour = "error"
    home.stubs[1].answer, home.stubs[2].answer = "yes", "no"
    for _ in range(5):
        decision = await home.decide(session, **ASK)
    assert len(home.stubs[0].asked) == 3
    assert "it rests after failing: Status: 500" in decision["votes"][0]["error"]
    assert answers(home) == [False, True, True]


async def test_what_a_member_said_to_one_player_is_told_to_no_other(home: House) -> None:
    mara, ilse = await home.session(player="Mara"), await home.session(player="Ilse")
    home.stubs[0].answer = "Mara hides the coal"
    home.stubs[1].answer, home.stubs[2].answer = "yes", "no"
    for _ in range(3):
        decision = await home.decide(mara, **ASK)
    assert "hides the coal" in decision["votes"][0]["error"]
    decision = await home.decide(ilse, **ASK)
    assert decision["votes"][0]["error"] == (
        "it rests after failing: OutsideOptions: the answer is not an option"
    )
    assert "coal" not in (await home.client.get("/v1/status")).text


async def test_a_member_that_never_answers_is_failing_until_it_does(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.gateway.members.circuit.COOL_DOWN_SECONDS", 0.0)
    session = await home.session()
    home.stubs[0].behaviour = "error"
    home.stubs[1].answer, home.stubs[2].answer = "yes", "no"
    told = set()
    for asked in range(3, 6):
        while len(home.stubs[0].asked) < asked:
            await home.decide(session, **ASK)
        assert answers(home) == [False, True, True], "its rest is over, and it is no better"
        voice = home.gateway.report().voices[0]
        assert voice.reason == "Failing"
        told.add(voice.message)
        home.stubs[0].behaviour = "cut"  # fails in other words
    assert len(told) == 1
    home.stubs[1].behaviour = "error"
    for _ in range(3):
        await home.decide(session, **ASK)
    assert not home.gateway.report().quorum
    home.stubs[0].behaviour, home.stubs[0].answer = "good", "yes"
    await home.decide(session, **ASK)
    assert answers(home)[0]


async def test_a_failing_member_that_becomes_ready_again_is_trusted(home: House) -> None:
    session = await home.session()
    home.stubs[0].behaviour = "error"
    home.stubs[1].answer, home.stubs[2].answer = "yes", "no"
    for _ in range(3):
        await home.decide(session, **ASK)
    assert home.gateway.report().voices[0].reason == "Failing"
    home.stubs[0].ready = False
    await eventually(lambda: home.gateway.report().voices[0].reason == "Unreachable")
    home.stubs[0].ready = True
    await eventually(lambda: all(answers(home)))


async def test_a_request_at_fault_puts_nobody_out(home: House) -> None:
    session = await home.session()
    for stub in home.stubs:
        stub.behaviour = "bad-request"
    for _ in range(5):
        await home.decide(session, **ASK)
    assert answers(home) == [True, True, True]


async def test_a_missing_key_is_reported_with_the_command_that_creates_it(tmp_path: Path) -> None:
    async with house(tmp_path, Stub(answer="yes")) as home:
        routes = home.gateway.following.routes
        assert routes is not None
        hosted = {
            "member": "oracle",
            "revision": "0000000b",
            "weight": 2,
            "engine": "anthropic",
            "model": "some-model",
            "keyFile": str(tmp_path / "keys" / "api-key"),
            "keySecret": "anthropic",
            "timeoutSeconds": 5,
        }
        home.write_routes(generation=8, routes=[routes.routes[0].dump(), hosted])
        await eventually(lambda: "Secret" in str(home.gateway.report().voices[-1].message))
        assert answers(home) == [True, False]
        assert home.gateway.report().voices[1].reason == "MissingKey"
        assert "kubectl create secret generic anthropic --from-literal=api-key=" in str(
            home.gateway.report().voices[1].message
        )
        (tmp_path / "keys").mkdir()
        (tmp_path / "keys" / "api-key").write_text("secret\n")
        await eventually(lambda: answers(home) == [True, True])


async def test_a_new_table_moves_only_whom_it_changes(home: House) -> None:
    before = [seat.member for seat in home.gateway.voices.seats]
    spare_folder = home.folder / "spare"
    spare_folder.mkdir()
    async with house(spare_folder, Stub()) as spare:
        routes = home.gateway.following.routes
        assert routes is not None
        table = [route.dump() for route in routes.routes]
        table[1] |= {"revision": "0000000b", "url": spare.stubs[0].url}
        table[2] |= {"weight": 9}
        home.write_routes(generation=8, routes=table)
        await eventually(lambda: home.gateway.report().routes_generation == 8)
        after = [seat.member for seat in home.gateway.voices.seats]
        assert [old is new for old, new in zip(before, after, strict=True)] == [True, False, True]


def test_a_circuit_opens_rests_longer_each_time_and_closes() -> None:
    circuit = Circuit(random.Random(1))
    now = 0.0
    for _ in range(3):
        assert circuit.enter(now)
        circuit.fail(now)
    rests = []
    for _ in range(6):
        assert not circuit.admits(now)
        assert circuit.open_until is not None
        rests.append(circuit.open_until - now)
        now = circuit.open_until
        assert circuit.enter(now)
        assert not circuit.admits(now), "one trial at a time"
        circuit.fail(now)
    assert rests[:4] == sorted(rests[:4])
    assert 4 <= rests[0] <= 5
    assert 48 <= rests[-1] <= 60
    assert circuit.open_until is not None
    assert circuit.enter(circuit.open_until)
    circuit.succeed()
    assert circuit.enter(now)
    assert circuit.enter(now)


def test_failures_of_requests_that_were_under_way_do_not_prolong_the_rest() -> None:
    circuit = Circuit(random.Random(1))
    for _ in range(3):
        circuit.fail(0.0)
    until = circuit.open_until
    circuit.fail(1.0)
    assert circuit.open_until == until


def test_news_that_a_member_is_back_ends_its_rest() -> None:
    circuit = Circuit(random.Random(1))
    for _ in range(3):
        circuit.fail(0.0)
    circuit.trust_again()
    assert not circuit.is_failing
    assert circuit.enter(1.0)
    assert circuit.enter(1.0)
    circuit.fail(1.0)
    assert circuit.is_out(1.0), "one failure is enough after that"


def test_a_member_is_left_alone_for_as_long_as_it_asks_within_reason() -> None:
    circuit = Circuit(random.Random(1))
    assert circuit.enter(0.0)
    circuit.leave_alone(0.0, 90.0)
    assert not circuit.admits(89.0)
    circuit.leave_alone(1.0, 5.0)
    assert not circuit.admits(89.0), "an earlier word holds"
    assert circuit.enter(90.0)
    circuit.leave_alone(90.0, 1e9)
    assert not circuit.admits(90.0 + 599)
    assert circuit.admits(90.0 + 600)


async def test_a_member_that_wants_to_be_left_alone_is_not_asked(home: House) -> None:
    session = await home.session()
    home.stubs[0].behaviour = "busy"
    home.stubs[1].answer, home.stubs[2].answer = "yes", "no"
    for _ in range(3):
        decision = await home.decide(session, **ASK)
    assert len(home.stubs[0].asked) == 1
    assert "it rests after failing: Status: 429" in decision["votes"][0]["error"]
    assert answers(home) == [False, True, True]
