"""A gateway learns from the outcomes that games report, and says what they come to."""

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crds.routes import RouteTable
from runtime.audit import DecisionLog, OutcomeEntry, Record
from runtime.audit.log import now
from runtime.consensus.evidence import DEFAULT_TASK
from runtime.consensus.report import MINIMUM
from runtime.gateway.interfaces.examples import RECORD
from runtime.gateway.upkeep.learning import Learning
from tests.unit.runtime.stubs.engine import Stub
from tests.unit.runtime.stubs.gateway import NAMES, RUNS_ON, House, house
from tests.unit.runtime.stubs.waiting import eventually

OPTIONS = ["yes", "no"]
#: The declared weights, 4, 4 and 2, have it the wrong way round.
ACCURACY = {"chronicler": 0.6, "oracle": 0.6, "jester": 0.95}
DECISIONS = 240


def right(case: int) -> str:
    return OPTIONS[random.Random(case).random() < 0.5]


def member(name: str) -> Callable[[dict[str, Any]], str]:
    """One that knows the right answer so often, by itself."""

    def say(request: dict[str, Any]) -> str:
        case = int(re.findall(r"Case (\d+)", request["messages"][-1]["content"])[-1])
        knows = random.Random(f"{name} {case}").random() < ACCURACY[name]
        return right(case) if knows else next(each for each in OPTIONS if each != right(case))

    return say


async def play(home: House, cases: range, **more: Any) -> list[dict[str, Any]]:
    """Ask, and tell what would have been right."""
    made: list[dict[str, Any]] = []
    for case in cases:
        if case % 10 == 0 or not made:
            session = await home.session(player=f"player {case}")
        asked = {"question": f"Case {case}: is it so?", "options": OPTIONS, **more}
        made.append(await home.decide(session, **asked))
        url = f"/v1/decisions/{made[-1]['id']}/outcome"
        answer = await home.client.post(url, json={"answer": right(case), "source": "rules"})
        assert answer.status_code == 201, answer.text
    return made


def counted(home: House, task: str = DEFAULT_TASK) -> float:
    learning = home.gateway.learning
    counts = learning.learned.evidence.of(task, learning._today())
    return counts.get("held", 0.0) + counts.get("failed", 0.0)


async def consensus(home: House) -> dict[str, Any]:
    return dict((await home.client.get("/v1/status")).json()["consensus"])


async def test_outcomes_change_what_votes_count_and_tell_whether_it_helps(tmp_path: Path) -> None:
    stubs = [Stub(say=member(name)) for name in NAMES]
    async with house(tmp_path, *stubs) as home:
        home.gateway.council.draw = lambda: RUNS_ON
        first = await consensus(home)
        assert (first["worth"], first["outcomes"]) == ("Unknown", 0)
        assert first["message"] == ("unknown: 0 complete decisions have an outcome, 100 are needed")
        assert "effectiveVoters" not in first
        made = await play(home, range(DECISIONS))
        assert [vote["weight"] for vote in made[-1]["votes"]] == [4, 4, 2]
        await eventually(lambda: counted(home) == DECISIONS)
        said = await consensus(home)
        assert said["worth"] == "DoesNotHelp"
        assert said["message"].startswith("the ensemble does not help: -")
        assert (said["task"], said["outcomes"], said["best"]) == (
            DEFAULT_TASK, DECISIONS, "jester",
        )  # fmt: skip
        for figures in said["members"]:
            rate = figures["accuracy"]
            assert rate["lowPercent"] <= 100 * ACCURACY[figures["name"]] <= rate["highPercent"]
        assert said["ensemble"]["percent"] < said["bestAlone"]["percent"]
        assert 1.0 <= float(said["effectiveVoters"]) <= 3.0

        home.write_routes(generation=8, method="LogOdds")
        await eventually(lambda: home.gateway.report().routes_generation == 8)
        later = await play(home, range(DECISIONS, DECISIONS + 40))
        chronicler, oracle, jester = (vote["weight"] for vote in later[0]["votes"])
        assert jester > chronicler + oracle > 0
        assert all(each["decision"] == each["votes"][2]["answer"] for each in later)
        await eventually(lambda: counted(home) == DECISIONS + 40)
        learned = home.gateway.learning.learned.evidence.dump()

    (tmp_path / "data/learned.db").unlink()
    async with house(tmp_path, *stubs) as home:
        await eventually(lambda: counted(home) == DECISIONS + 40)
        assert home.gateway.learning.learned.evidence.dump() == learned


async def test_what_is_learned_of_one_task_stays_with_it(tmp_path: Path) -> None:
    stubs = [Stub(say=member(name)) for name in NAMES]
    async with house(tmp_path, *stubs) as home:
        home.gateway.council.draw = lambda: RUNS_ON
        made = await play(home, range(5), task="guard-mood")
        record = (await home.client.get(f"/v1/decisions/{made[0]['id']}")).json()
        assert record["task"] == "guard-mood"
        await eventually(lambda: counted(home, "guard-mood") == 5)
        assert counted(home) == 0
        assert (await consensus(home))["task"] == "guard-mood"


async def test_the_same_key_with_another_task_is_another_question(home: House) -> None:
    session = await home.session()
    ask = {"question": "Is it so?", "options": OPTIONS}
    url, key = f"/v1/sessions/{session}/decisions", {"Idempotency-Key": "one"}
    assert (await home.client.post(url, json=ask, headers=key)).status_code == 200
    other = await home.client.post(url, json=ask | {"task": "gate"}, headers=key)
    assert other.status_code == 409


@pytest.mark.parametrize("task", ["", "Mara Vane", "x" * 64, "-a", 7])
async def test_a_task_is_a_short_label(home: House, task: object) -> None:
    url = f"/v1/sessions/{await home.session()}/decisions"
    body = {"question": "Is it so?", "options": OPTIONS, "task": task}
    assert (await home.client.post(url, json=body)).status_code == 422


async def test_a_spoilt_notebook_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/learned.db").write_text("{" * 4096)
    async with house(tmp_path, *[Stub(say=member(name)) for name in NAMES]) as home:
        home.gateway.council.draw = lambda: RUNS_ON
        await play(home, range(3))
        await eventually(lambda: counted(home) == 3)


# What follows has a log and no gateway.

TABLE = RouteTable.model_validate(
    {
        "ensemble": "narrators",
        "generation": 7,
        "timeout_seconds": 5,
        "minimum_votes": 2,
        "when_no_quorum": "BestMember",
        "routes": [
            {
                "member": name,
                "revision": "0000000a",
                "weight": 2,
                "engine": "llamacpp",
                "model": "small",
                "timeout_seconds": 5,
            }
            for name in NAMES
        ],
    }
)


async def decided(log: DecisionLog, player: str, *, good: bool = True) -> Record:
    record = Record.model_validate({**RECORD, "complete": True, "player": player, "time": now()})
    made = await log.append(record)
    answer = "He asks for a song" if good else "He opens the gate"
    entry = OutcomeEntry(time=now(), decision=made.id, answer=answer, source="rules")
    assert await log.post(entry) is not None
    return made


async def test_an_erased_decision_still_teaches_when_the_notebook_is_gone(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path / "decisions")
    for at in range(6):
        await decided(log, ("Mara", "Ilse")[at % 2], good=at % 3 > 0)
    learning = Learning(log, tmp_path / "learned.db")
    while learning._step():
        pass
    before = learning.learned.evidence.dump()
    await learning.stop()
    await log.forget("Mara", "support")
    (tmp_path / "learned.db").unlink()
    learning = Learning(log, tmp_path / "learned.db")
    while learning._step():
        pass
    assert learning.learned.evidence.dump() == before
    await learning.stop()
    await log.close()


async def test_a_correction_after_a_restart_takes_back_what_was_learned(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path / "decisions")
    made = await decided(log, "Mara", good=False)
    learning = Learning(log, tmp_path / "learned.db")
    learning._step()
    await learning.stop()
    entry = OutcomeEntry(
        time=now(), decision=made.id, answer="He asks for a song", source="a person"
    )
    assert await log.post(entry) is not None
    learning = Learning(log, tmp_path / "learned.db")
    learning._step()
    counts = learning.learned.evidence.of(DEFAULT_TASK, learning._today())
    assert (counts["held"], counts.get("failed", 0)) == (1, 0)
    await learning.stop()
    await log.close()


async def test_figures_stand_still_until_a_tenth_more_is_known(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path / "decisions")
    learning = Learning(log, tmp_path / "learned.db")

    async def outcomes(number: int) -> Any:
        for _ in range(number):
            await decided(log, "Mara")
        while learning._step():
            pass
        return learning.figures(TABLE)

    assert (await outcomes(0)).outcomes == 0
    assert (await outcomes(MINIMUM)).outcomes == MINIMUM
    assert (await outcomes(9)).outcomes == MINIMUM
    assert (await outcomes(1)).outcomes == MINIMUM + 10
    lighter = [route.model_copy(update={"weight": 1}) for route in TABLE.routes[:2]]
    await outcomes(1)
    changed = learning.figures(TABLE.model_copy(update={"routes": lighter}))
    assert changed is not None
    assert (changed.outcomes, len(changed.members)) == (MINIMUM + 11, 2)
    assert learning.figures(TABLE.model_copy(update={"routes": lighter[:1]})) is None
    assert learning.figures(None) is None
    await learning.stop()
    await log.close()
