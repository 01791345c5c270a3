"""A member that is late gets company, one that fails is stood in for, and both are on record."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock, Mock

import pytest

from crds.ensemble import Sampling
from runtime.audit import Candidate, Record, replay
from runtime.audit.record import Try
from runtime.engines import Chunk, Prompt, Reply
from runtime.gateway.members.choosing import KNOWN_AFTER
from runtime.gateway.members.hedging import Hedges
from runtime.gateway.members.voices import Seat
from runtime.gateway.story.asking import Asking
from runtime.limits.money import Balance
from tests.unit.runtime.gateway.story.test_paying import balance, settled
from tests.unit.runtime.gateway.test_variants import ASK, quick, record, told, varied, write
from tests.unit.runtime.stubs.engine import Behaviour, Stub
from tests.unit.runtime.stubs.gateway import House, house
from tests.unit.runtime.stubs.tariff import FlatTariff
from tests.unit.runtime.stubs.waiting import eventually

__all__ = ["quick"]  # a fixture

HEDGED: dict[str, Any] = {"hedging": {"maxPercent": 50}}


def measure(home: House, seconds: float = 0.05, *, saved: int = 10) -> None:
    """Let everybody be known to answer that soon, and so many hedges be saved up."""
    for chair in home.gateway.voices.chairs:
        for seat in chair.seats:
            for _ in range(KNOWN_AFTER):
                seat.member.pace.took(seconds)
        chair.hedges = Hedges()
        for _ in range(100 * saved):
            chair.hedges.asked(1)


def folder(within: Path) -> Path:
    """Room for a second gateway."""
    (within / "other").mkdir()
    return within / "other"


def both(candidate: Candidate) -> list[Try]:
    """The two requests to a member that was asked twice."""
    assert candidate.tries is not None
    assert len(candidate.tries) == 2
    return candidate.tries


def second(home: House, kind: str, member: str, because: str) -> float:
    value = home.gateway.metrics.registry.get_sample_value(
        f"fabula_gateway_second_{kind}_total", {"member": member, "because": because}
    )
    return value or 0.0


async def one(home: House, **changes: Any) -> None:
    """One member without variants, hedged."""
    routes = home.gateway.following.routes
    assert routes is not None
    changes = {"routes": routes.routes[:1], "minimum_votes": 1, "serving": HEDGED, **changes}
    home.write_routes(generation=8, **changes)
    await eventually(lambda: home.gateway.report().routes_generation == 8)
    measure(home)


async def after_the_first(stub: Stub, then: Behaviour, asking: Awaitable[Any]) -> Any:
    """Let the stub behave otherwise from its second request on."""
    task = asyncio.ensure_future(asking)
    await eventually(lambda: stub.asked)
    stub.behaviour = then
    return await task


async def test_a_late_member_is_asked_again_in_another_variant(tmp_path: Path) -> None:
    async with varied(tmp_path, **HEDGED) as home:
        measure(home)
        home.stubs[0].behaviour = "slow"
        found = await record(home, await home.session())
        (candidate,) = found.candidates
        assert (candidate.answer, candidate.variant) == ("no", "distilled")
        first, other = both(candidate)
        assert (first.variant, first.because, first.state) == ("full", None, "Cancelled")
        assert (other.variant, other.because, other.state) == ("distilled", "Slow", "Answered")
        assert 50 <= other.after_ms <= candidate.latency_ms
        assert other.latency_ms < first.latency_ms
        assert found.result == replay(found)
        await eventually(lambda: home.stubs[0].cancelled)
        assert second(home, "requests", "chronicler/distilled", "Slow") == 1
        assert second(home, "answers", "chronicler/distilled", "Slow") == 1
        assert "asked again after 50 ms (full)" in str(home.gateway.report().voices[0].hedging)


async def test_a_member_without_variants_is_asked_again_itself(home: House) -> None:
    await one(home)
    stub = home.stubs[0]
    stub.behaviour = "slow"
    found = await after_the_first(stub, "good", record(home, await home.session()))
    (candidate,) = found.candidates
    assert candidate.answer == "yes"
    assert [each.state for each in both(candidate)] == ["Cancelled", "Answered"]
    assert len(stub.asked) == 2
    assert stub.asked[0] == stub.asked[1]
    await eventually(lambda: stub.cancelled == 1)


async def test_the_first_may_still_be_first(tmp_path: Path) -> None:
    async with varied(tmp_path, **HEDGED) as home:
        measure(home)
        full, small = home.stubs
        full.behaviour = small.behaviour = "slow"
        asking = asyncio.create_task(record(home, await home.session()))
        await eventually(lambda: small.asked)
        full.release.set()
        (candidate,) = (await asking).candidates
        assert (candidate.answer, candidate.variant) == ("yes", "full")
        assert [each.state for each in both(candidate)] == ["Answered", "Cancelled"]
        await eventually(lambda: small.cancelled)
        assert second(home, "answers", "chronicler/distilled", "Slow") == 0


async def test_nobody_is_late_unless_that_is_asked_for_and_known(tmp_path: Path) -> None:
    async with varied(tmp_path) as home:
        measure(home)
        (chair,) = home.gateway.voices.chairs
        assert chair.late_after(chair.seats[0]) is None
        assert home.gateway.report().voices[0].hedging is None
        write(home, 9, **HEDGED)
        await eventually(lambda: home.gateway.report().routes_generation == 9)
        (chair,) = home.gateway.voices.chairs
        assert chair.late_after(chair.seats[0]) == 0.05
        assert chair.hedges.allowed, "what was saved up is not lost"
    async with varied(folder(tmp_path), **HEDGED) as home:
        (chair,) = home.gateway.voices.chairs
        assert chair.late_after(chair.seats[0]) is None
        assert "not measured yet" in str(home.gateway.report().voices[0].hedging)


async def test_no_more_are_sent_than_there_is_room_for(tmp_path: Path) -> None:
    async with varied(tmp_path, **HEDGED) as home:
        measure(home, saved=1)
        (chair,) = home.gateway.voices.chairs
        full, small = chair.seats
        found = chair.beside(full, lambda _: True)
        assert found is not None
        assert found.member is small.member
        assert chair.beside(full, lambda _: True) is None


async def test_who_is_out_or_not_accurate_enough_is_no_company(tmp_path: Path) -> None:
    async with varied(tmp_path, minimumAccuracy="0.96", **HEDGED) as home:
        measure(home)
        full, small = home.stubs
        full.behaviour = "slow"
        await after_the_first(full, "good", record(home, await home.session()))
        assert (len(full.asked), small.asked) == (2, [])
    async with varied(folder(tmp_path), **HEDGED) as home:
        measure(home)
        full, small = home.stubs
        small.ready = False
        await eventually(lambda: "distilled is out" in told(home))
        full.behaviour = "slow"
        await after_the_first(full, "good", record(home, await home.session()))
        assert (len(full.asked), small.asked) == (2, [])


async def test_a_question_that_hangs_twice_ends_at_its_deadline(tmp_path: Path) -> None:
    async with house(tmp_path, Stub(behaviour="hang")) as home:
        await one(home, timeout_seconds=1)
        found = await record(home, await home.session())
        (candidate,) = found.candidates
        assert str(candidate.error).startswith("Timeout")
        assert [each.state for each in both(candidate)] == ["Failed", "Failed"]
        assert found.latency_ms < 3000
        assert found.result == replay(found)


async def test_a_vote_that_is_settled_ends_both_requests(home: House) -> None:
    for stub in home.stubs:
        stub.answer = "yes"
    home.write_routes(generation=8, serving=HEDGED)
    await eventually(lambda: home.gateway.report().routes_generation == 8)
    measure(home)
    jester = home.stubs[2]
    home.stubs[1].behaviour = jester.behaviour = "slow"
    asking = asyncio.create_task(record(home, await home.session()))
    await eventually(lambda: len(jester.asked) == 2)
    home.stubs[1].release.set()
    found = await asking
    candidate = found.candidates[2]
    assert (candidate.state, candidate.lost) == ("Cancelled", "Settled")
    assert [each.state for each in both(candidate)] == ["Cancelled", "Cancelled"]
    assert found.result == replay(found)
    await eventually(lambda: jester.cancelled == 2)


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [("error", "Status"), ("empty", "Empty"), ("cut", "CutStream"), ("busy", "Status")],
)
async def test_who_fails_is_stood_in_for(behaviour: Behaviour, kind: str, tmp_path: Path) -> None:
    async with varied(tmp_path) as home:
        home.stubs[0].behaviour = behaviour
        found = await record(home, await home.session())
        (candidate,) = found.candidates
        assert (candidate.answer, candidate.variant, candidate.error) == ("no", "distilled", None)
        first, other = both(candidate)
        assert (first.variant, first.state) == ("full", "Failed")
        assert str(first.error).startswith(kind)
        assert (other.because, other.state) == ("Failed", "Answered")
        assert found.result == replay(found)
        assert second(home, "answers", "chronicler/distilled", "Failed") == 1


async def test_a_refused_connection_is_stood_in_for(tmp_path: Path) -> None:
    async with varied(tmp_path) as home:
        seat = home.gateway.voices.chairs[0].seats[0]
        seat.member._engine.check = AsyncMock()  # type: ignore[method-assign]
        seat.member._engine._url = "http://127.0.0.1:9"  # type: ignore[attr-defined]
        (candidate,) = (await record(home, await home.session())).candidates
        first, other = both(candidate)
        assert str(first.error).startswith("Connect")
        assert (candidate.answer, other.state) == ("no", "Answered")


@pytest.mark.parametrize("behaviour", ["bad-request", "abort"])
async def test_what_another_would_refuse_too_is_not_carried_on(
    behaviour: Behaviour, tmp_path: Path
) -> None:
    async with varied(tmp_path) as home:
        home.stubs[0].behaviour = behaviour
        (candidate,) = (await record(home, await home.session())).candidates
        assert (candidate.state, candidate.variant, candidate.tries) == ("Failed", "full", None)
        assert home.stubs[1].asked == []


async def test_with_both_failing_the_one_that_was_chosen_says_why(tmp_path: Path) -> None:
    async with varied(tmp_path) as home:
        home.stubs[0].behaviour, home.stubs[1].behaviour = "error", "empty"
        (candidate,) = (await record(home, await home.session())).candidates
        assert candidate.variant == "full"
        assert str(candidate.error).startswith("Status: 500")
        assert [str(each.error).partition(":")[0] for each in both(candidate)] == [
            "Status",
            "Empty",
        ]


async def test_who_was_put_out_since_it_was_chosen_is_stood_in_for(tmp_path: Path) -> None:
    async with varied(tmp_path) as home:
        seat = home.gateway.voices.chairs[0].seats[0]
        cast = home.gateway.voices.cast

        def too_late(*, canary: bool = False) -> Any:
            seats = cast(canary=canary)
            seat.member._circuit.leave_alone(asyncio.get_running_loop().time(), 60)
            return seats

        home.gateway.voices.cast = too_late  # type: ignore[method-assign]
        (candidate,) = (await record(home, await home.session())).candidates
        assert (candidate.answer, candidate.variant) == ("no", "distilled")
        first, _ = both(candidate)
        assert (first.state, home.stubs[0].asked) == ("Skipped", [])


async def test_who_has_no_fair_chance_in_the_time_left_is_not_asked(tmp_path: Path) -> None:
    async with varied(tmp_path) as home:
        measure(home, 6.0)
        home.stubs[0].behaviour = "error"
        (candidate,) = (await record(home, await home.session())).candidates
        assert (candidate.state, candidate.tries, home.stubs[1].asked) == ("Failed", None, [])


async def test_what_a_stand_in_said_is_not_given_again_as_the_members_answer(
    tmp_path: Path,
) -> None:
    async with varied(tmp_path) as home:
        await home.configure(cache={"exact": {}})
        home.stubs[0].behaviour = "error"
        assert (await home.decide(await home.session(), **ASK))["decision"] == "no"
        home.stubs[0].behaviour = "good"
        again = await home.decide(await home.session(), **ASK)
        assert (again["decision"], again.get("cached")) == ("yes", None)


@pytest.mark.parametrize(
    ("behaviour", "spent"),
    [("error", 2_500), ("cut", 12_500), ("slow", 12_500)],
)
async def test_a_second_request_is_paid_for_by_itself(
    behaviour: Behaviour, spent: int, tmp_path: Path
) -> None:
    async with varied(tmp_path, **HEDGED) as home:
        measure(home)
        home.gateway.teller._tariff = FlatTariff()
        await home.configure(limits={"dailyUSD": "1"})
        home.stubs[0].behaviour = behaviour
        assert (await home.decide(await home.session(), **ASK))["decision"] == "no"
        await settled(home, spent)


async def test_without_money_for_a_second_request_there_is_none(tmp_path: Path) -> None:
    async with varied(tmp_path) as home:
        home.gateway.teller._tariff = FlatTariff()
        await home.configure(limits={"dailyUSD": "0.015"})
        home.stubs[0].behaviour = "cut"
        (candidate,) = (await record(home, await home.session())).candidates
        assert (candidate.state, home.stubs[1].asked) == ("Failed", [])
        _, other = both(candidate)
        assert other.state == "Skipped"
        assert str(other.error).startswith("Budget: limits.dailyUSD is 0.015 USD")
        await eventually(lambda: balance(home) == Balance(10_000, 0))


def completed(home: House) -> Awaitable[Any]:
    body = {"model": "chronicler", "messages": [{"role": "user", "content": "Hail!"}]}
    return home.client.post("/v1/chat/completions", json={**body, "stream": True})


async def test_a_stream_is_hedged_until_it_speaks(tmp_path: Path) -> None:
    async with varied(tmp_path, **HEDGED) as home:
        measure(home)
        home.stubs[0].behaviour = "slow"
        text = (await completed(home)).text
        assert '"content":"no"' in text
        assert "[DONE]" in text
        await eventually(lambda: home.stubs[0].cancelled)


async def test_a_stream_that_has_begun_is_left_to_itself(tmp_path: Path) -> None:
    async with varied(tmp_path) as home:
        home.stubs[0].behaviour = "cut"
        assert "half an ans" in (await completed(home)).text
        assert home.stubs[1].asked == []


async def test_who_speaks_gets_no_company() -> None:
    async def speak(prompt: Prompt, left: float, hear: Any, because: object) -> Any:
        hear(Chunk("Well"))
        for _ in range(3):
            await asyncio.sleep(0)
        return "Well", Reply("Well", clipped=False)

    member = SimpleNamespace(unavailable=lambda: None, ask=speak)
    chair = Mock(late_after=lambda _: 0.0)
    known = SimpleNamespace(cost_usd=lambda _: None)
    seat = SimpleNamespace(member=member, chair=chair, known=known)
    heard: list[Chunk] = []
    asking = Asking(cast("Seat", seat), Prompt.of("", "", Sampling()), Mock(), heard.append)
    await asking.run(5)
    assert heard == [Chunk("Well")]
    assert asking.outcome.answer == "Well"
    chair.beside.assert_not_called()


async def test_both_failures_are_sealed_with_the_players_words(tmp_path: Path) -> None:
    assert "candidates.*.tries.*.error" in Record.private
    async with varied(tmp_path) as home:
        home.stubs[0].answer = home.stubs[1].answer = "Mara hides the coal"
        (candidate,) = (await record(home, await home.session(player="Mara"))).candidates
        assert all("hides the coal" in str(each.error) for each in both(candidate))
        await home.client.delete("/v1/players/Mara")
        listed = (await home.client.get("/v1/decisions")).text
        assert "coal" not in listed
