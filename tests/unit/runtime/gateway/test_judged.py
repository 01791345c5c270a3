"""From sessions that games play to a verdict: what gateways observe is what the operator judges."""

import asyncio
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from controllers.delivery.evidence import Assigned, Evidence, Outcome, feed, start
from controllers.delivery.plan import DEFAULT_MARGIN, AnalysisPlan, Metric
from controllers.delivery.verdict import Kind, look
from crds.observations import BUILT_IN, JUDGE_PREFERENCE, MEMBER_SLOW, Observations
from tests.unit.runtime.gateway.test_rollout import route, split
from tests.unit.runtime.stubs.engine import Stub, running
from tests.unit.runtime.stubs.gateway import House, house

ASK = {"question": "Open the gate?", "options": ["yes", "no"]}
PLAN = AnalysisPlan(
    tuple(
        Metric(name, DEFAULT_MARGIN, "Bounded" if name == MEMBER_SLOW else "Binary")
        for name in BUILT_IN
        if name != JUDGE_PREFERENCE
    )
)
SESSIONS, TURNS, AT_ONCE = 240, 2, 12


def failing(every: int) -> Callable[[dict[str, Any]], str]:
    """Answers empty to one call in so many."""
    calls = itertools.count(1)
    return lambda _: "" if next(calls) % every == 0 else "yes"


async def play(home: House, sessions: int) -> None:
    places = asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with places:
            session = await home.session()
            for _ in range(TURNS):
                await home.decide(session, **ASK)

    await asyncio.gather(*(one() for _ in range(sessions)))


async def evidence(home: House) -> Evidence:
    """Asked page by page, and every page twice, as by an operator that is killed."""
    counted, after, more = start(PLAN), -1, True
    while more:
        answer = await home.client.get(
            "/v1/observations", params={"rollout": "s1", "after": after, "limit": 50}
        )
        page = Observations.model_validate_json(answer.content)
        records = [
            Assigned(page.log, each.sequence, each.arm)
            if each.kind == "Assigned"
            else Outcome(page.log, each.sequence, each.arm, each.values)
            for each in page.observations
            if each.arm != "Shadow"
        ]
        counted = feed(feed(counted, PLAN, records), PLAN, records)
        after, more = page.through, page.more
    return counted


async def judged(folder: Path, canary: Stub) -> tuple[Evidence, Kind]:
    async with house(folder, *(Stub() for _ in range(3))) as home, running(canary) as new:
        home.stubs.append(new)
        await route(home, 8, split={**split(home, 50), "watchedSeconds": 600, "slowAboveMs": 4000})
        await play(home, SESSIONS)
        await home.gateway.observing.look(datetime.now(UTC) + timedelta(hours=1))
        found = await evidence(home)
        return found, look(found, PLAN).kind


async def test_a_canary_that_fails_one_call_in_ten_is_found_harmful(tmp_path: Path) -> None:
    found, kind = await judged(tmp_path, Stub(say=failing(10)))
    assert kind == Kind.HARM
    assert found.harmful == ("member-errors",)
    assert sum(found.split.counts) == SESSIONS


async def test_an_equal_canary_is_not(tmp_path: Path) -> None:
    found, kind = await judged(tmp_path, Stub())
    assert kind == Kind.UNDECIDED
    assert found.blocks > SESSIONS / 4
    assert all(counted.missing == (0, 0) for counted in found.metrics)
