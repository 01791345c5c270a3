"""Variants in a running gateway: the rule is followed, measured, recorded and told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from runtime.audit import Record, replay
from runtime.gateway.members.choosing import KNOWN_AFTER
from tests.unit.runtime.stubs.engine import Stub
from tests.unit.runtime.stubs.gateway import House, house, write_config
from tests.unit.runtime.stubs.waiting import eventually

ASK = {"question": "Does it rain?", "options": ["yes", "no"]}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks in quick succession, and nobody is asked only to be measured."""
    monkeypatch.setattr("runtime.gateway.members.voices.CHECK_SECONDS", 0.02)
    monkeypatch.setattr("runtime.gateway.members.voices.SECOND_LOOK_SECONDS", 0.01)
    monkeypatch.setattr("runtime.gateway.members.choosing.EXPLORATION", 0.0)


@asynccontextmanager
async def varied(folder: Path, **serving: Any) -> AsyncIterator[House]:
    """One member with a variant: `home.stubs` are the full model and the small one."""
    async with house(folder, Stub(answer="yes"), Stub(answer="no")) as home:
        write(home, 8, **serving)
        await eventually(lambda: home.gateway.report().routes_generation == 8)
        await eventually(
            lambda: all(s.member.answers for c in home.gateway.voices.chairs for s in c.seats)
        )
        yield home


def write(home: House, generation: int, revision: str = "0000000b", **serving: Any) -> None:
    full, small = home.stubs
    way = {"engine": "llamacpp", "model": "small"}
    home.write_routes(
        generation=generation,
        minimum_votes=1,
        serving=serving,
        routes=[
            {
                "member": "chronicler", "revision": "0000000a", "weight": 3, "url": full.url,
                "timeoutSeconds": 5, **way,
                "variants": [
                    {
                        "variant": "distilled", "revision": revision, "url": small.url,
                        "accuracy": "0.95", "relativeCost": "0.1", **way,
                    }
                ],
            }
        ],
    )  # fmt: skip


async def record(home: House, session: str) -> Record:
    decision = await home.decide(session, **ASK)
    read = await home.client.get(f"/v1/decisions/{decision['id']}")
    return Record.model_validate(read.json())


def told(home: House) -> str:
    return str(home.gateway.report().voices[0].variant)


async def test_who_says_nothing_is_answered_by_the_member_itself(tmp_path: Path) -> None:
    async with varied(tmp_path) as home:
        found = await record(home, await home.session())
        (candidate,) = found.candidates
        assert (candidate.answer, candidate.variant) == ("yes", "full")
        assert candidate.why == "the most accurate variant that answers"
        assert candidate.revision == "0000000a"
        assert told(home) == "full 100 %: the most accurate variant that answers"


async def test_the_cheapest_is_asked_where_that_is_the_rule(tmp_path: Path) -> None:
    async with varied(tmp_path, prefer="Cost", minimumAccuracy="0.9") as home:
        found = await record(home, await home.session())
        (candidate,) = found.candidates
        assert (candidate.answer, candidate.variant) == ("no", "distilled")
        assert (candidate.revision, candidate.weight) == ("0000000b", 3)
        assert found.result == replay(found)
        assert home.stubs[0].asked == []
        asked = home.gateway.metrics.registry.get_sample_value(
            "fabula_gateway_variants_asked_total",
            {"member": "chronicler", "variant": "distilled"},
        )
        assert asked == 1


async def test_a_member_whose_full_model_is_out_falls_to_its_variant_and_back(
    tmp_path: Path,
) -> None:
    async with varied(tmp_path) as home:
        session = await home.session()
        full = home.stubs[0]
        full.ready = False
        await eventually(lambda: "full is out" in told(home))
        report = home.gateway.report()
        assert report.quorum
        assert report.voices[0].answers
        (candidate,) = (await record(home, session)).candidates
        assert (candidate.answer, candidate.variant) == ("no", "distilled")
        assert str(candidate.why).endswith("; full out")
        full.ready = True
        await eventually(lambda: "out" not in told(home))
        (candidate,) = (await record(home, session)).candidates
        assert candidate.variant == "full"


async def test_a_variant_that_keeps_failing_rests_alone(tmp_path: Path) -> None:
    async with varied(tmp_path, prefer="Cost") as home:
        session = await home.session()
        home.stubs[1].behaviour = "error"
        candidates = [(await record(home, session)).candidates[0] for _ in range(5)]
        assert [candidate.variant for candidate in candidates] == ["full"] * 5
        assert [candidate.tries is not None for candidate in candidates] == [True] * 3 + [False] * 2
        assert len(home.stubs[1].asked) == 3
        assert home.gateway.report().voices[0].answers


async def test_with_everyone_out_the_member_is_out(tmp_path: Path) -> None:
    async with varied(tmp_path) as home:
        for stub in home.stubs:
            stub.ready = False
        await eventually(lambda: not home.gateway.report().quorum)
        voice = home.gateway.report().voices[0]
        assert (voice.name, voice.reason) == ("chronicler", "Unreachable")
        assert "full, distilled are out" in told(home)
        assert (await home.decide(await home.session(), **ASK))["outcome"] == "Fallback"


async def test_one_that_proves_too_slow_is_left_for_one_that_is_not(tmp_path: Path) -> None:
    async with varied(tmp_path, targetMilliseconds=300) as home:
        session = await home.session()
        seats = home.gateway.voices.chairs[0].seats
        assert (await record(home, session)).candidates[0].variant == "full"
        for _ in range(KNOWN_AFTER):
            seats[0].member.pace.took(1.0)
        (candidate,) = (await record(home, session)).candidates
        assert candidate.variant == "distilled"
        assert "within 300 ms" in str(candidate.why)


async def test_what_is_asked_is_measured(tmp_path: Path) -> None:
    async with varied(tmp_path, prefer="Latency") as home:
        session = await home.session()
        for _ in range(KNOWN_AFTER):
            await home.decide(session, **ASK)
        full, small = (seat.member.pace for seat in home.gateway.voices.chairs[0].seats)
        known = small.p95  # before the next answer
        assert known is not None
        assert full.p95 is None
        (candidate,) = (await record(home, session)).candidates
        assert f"p95 {known} ms" in str(candidate.why)


async def test_a_question_that_is_given_up_is_measured_by_how_long_it_was_waited_for(
    tmp_path: Path,
) -> None:
    async with varied(tmp_path) as home:
        home.stubs[0].behaviour = "slow"
        asking = asyncio.create_task(home.decide(await home.session(), **ASK))
        await eventually(lambda: home.stubs[0].asked)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        pace = home.gateway.voices.chairs[0].seats[0].member.pace
        await eventually(lambda: len(pace._milliseconds) == 1)


async def test_a_rolled_variant_moves_nobody_else(tmp_path: Path) -> None:
    async with varied(tmp_path) as home:
        full, small = (seat.member for seat in home.gateway.voices.chairs[0].seats)
        await home.decide(await home.session(), **ASK)
        write(home, 9, revision="0000000c")
        await eventually(lambda: home.gateway.report().routes_generation == 9)
        after = [seat.member for seat in home.gateway.voices.chairs[0].seats]
        assert after[0] is full
        assert after[1] is not small
        assert told(home).startswith("full 100 %"), "what was asked is not forgotten"


async def test_an_answer_is_given_again_only_from_the_variant_that_would_be_asked(
    tmp_path: Path,
) -> None:
    async with varied(tmp_path) as home:
        write_config(home.folder, generation=4, cache={"exact": {}})
        await eventually(lambda: home.gateway.report().config_generation == 4)
        full = home.stubs[0]
        full.ready = False
        await eventually(lambda: "full is out" in told(home))
        assert (await home.decide(await home.session(), **ASK))["decision"] == "no"
        assert (await home.decide(await home.session(), **ASK))["cached"]
        full.ready = True
        await eventually(lambda: "out" not in told(home))
        again = await home.decide(await home.session(), **ASK)
        assert again["decision"] == "yes"
        assert "cached" not in again
