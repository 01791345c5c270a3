"""Experiments at a gateway: sessions are given to arms, and what they came to is told."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from crds.observations import Observations
from crds.trials import Trial
from runtime.arms import arms_of
from runtime.audit.kinds import AssignedEntry, MetricsEntry
from tests.unit.runtime.gateway.test_rollout import route, split
from tests.unit.runtime.stubs.engine import Stub, running
from tests.unit.runtime.stubs.gateway import House, house, serving
from tests.unit.runtime.stubs.waiting import eventually

ASK = {"question": "Open the gate?", "options": ["yes", "no"]}


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    """Three members; the second has a new revision at the fourth stub."""
    async with (
        house(tmp_path, *(Stub() for _ in range(3))) as found,
        running(Stub()) as new,
    ):
        found.stubs.append(new)
        yield found


def trial(salt: str, percent: int = 50, seconds: int = 600, **more: Any) -> Trial:
    said = {"salt": salt, "percent": percent, "watched_seconds": seconds, **more}
    return Trial.model_validate({"experiment": f"of-{salt}", **said})


async def try_out(home: House, *trials: Trial) -> None:
    await home.configure(trials=[each.dump() for each in trials])


async def observed(home: House, rollout: str) -> Observations:
    answer = await home.client.get("/v1/observations", params={"rollout": rollout})
    assert answer.status_code == 200, answer.text
    return Observations.model_validate_json(answer.content)


async def outcomes(home: House, rollout: str) -> list[tuple[str, dict[str, float]]]:
    found = await observed(home, rollout)
    return [(each.arm, each.values) for each in found.observations if each.kind == "Outcome"]


def arms(session: str, *trials: Trial) -> dict[str, str]:
    return {each.salt: arm for each, arm in arms_of(session, trials)}


async def session_in(home: House, arm: str, *trials: Trial) -> str:
    wanted = {each.salt: arm for each in trials}
    while True:
        session = await home.session()
        if arms(session, *trials) == wanted:
            return session


async def post(home: House, session: str, **metrics: float) -> None:
    answer = await home.client.post(f"/v1/sessions/{session}/metrics", json=metrics)
    assert answer.status_code == 204, answer.text


async def due(home: House) -> None:
    """Let the windows of all sessions be over."""
    await home.gateway.observing.look(datetime.now(UTC) + timedelta(hours=1))


async def test_who_begins_is_given_to_an_arm_and_the_log_says_so(home: House) -> None:
    before = await home.session()
    t1, t2 = trial("t1"), trial("t2", 20)
    await try_out(home, t1, t2)
    begun = [await home.session() for _ in range(20)]
    assert arms(before, t1, t2) == {}
    log = home.gateway.decisions
    logged = [log.entry(number) for number in range(len(log))]
    assigned = {
        (each.session, each.rollout): each.arm for each in logged if isinstance(each, AssignedEntry)
    }
    said = {
        (session, salt): arm for session in begun for salt, arm in arms(session, t1, t2).items()
    }
    assert assigned == said
    found = await observed(home, "t1")
    assert [each.arm for each in found.observations] == [
        arm for session in begun if (arm := arms(session, t1).get("t1"))
    ]


async def test_an_arm_outlasts_steps_and_restarts_until_the_end(home: House) -> None:
    small, large = trial("t1", 10), trial("t1", 50)
    await try_out(home, small)
    first = await home.session()
    second = await session_in(home, "Canary", small)
    await try_out(home, large)
    await home.gateway.close()
    async with serving(home.folder) as (client, gateway):
        again = House(client, gateway, home.stubs, home.folder)
        await eventually(lambda: gateway.unready is None and gateway.voices.seats)
        for session, expected in ((first, arms(first, small)), (second, {"t1": "Canary"})):
            made = await again.decide(session, **ASK)
            record = await gateway.decisions.get(made["id"])
            assert record is not None
            assert {each.rollout: each.arm for each in record.experiments or []} == expected
        await try_out(again)
        record = await gateway.decisions.get((await again.decide(second, **ASK))["id"])
        assert record is not None
        assert (record.experiments, record.watched) == (None, None)


async def test_an_outcome_is_what_the_game_posts_and_whether_the_story_was_told(
    home: House,
) -> None:
    await try_out(home, trial("t1"))
    for arm, quests in (("Canary", 3.0), ("Baseline", 2.0)):
        session = await session_in(home, arm, trial("t1"))
        await home.decide(session, **ASK)
        await post(home, session, quests=1.0)
        await post(home, session, quests=quests)
    log = home.gateway.decisions
    logged = log.entry(len(log) - 1)
    assert isinstance(logged, MetricsEntry)
    assert (logged.rollout, logged.arm, logged.values) == ("t1", "Baseline", {"quests": 2.0})
    await due(home)
    told = [each for each in await outcomes(home, "t1") if each[1]]
    assert told == [
        ("Canary", {"fallbacks": 0.0, "quests": 3.0}),
        ("Baseline", {"fallbacks": 0.0, "quests": 2.0}),
    ]


async def test_a_session_that_did_nothing_counts_too(home: House) -> None:
    """A player who leaves at once may have left because of the new value."""
    await try_out(home, trial("t1"))
    await session_in(home, "Canary", trial("t1"))
    await due(home)
    assert (await outcomes(home, "t1"))[-1] == ("Canary", {})


async def test_of_an_experiment_that_has_ended_nothing_is_written(home: House) -> None:
    await try_out(home, trial("t1"))
    session = await session_in(home, "Canary", trial("t1"))
    await try_out(home, trial("t2"))
    entries = len(home.gateway.decisions)
    await post(home, session, quests=1.0)
    await due(home)
    assert len(home.gateway.decisions) == entries
    assert await outcomes(home, "t1") == []


async def test_a_rollout_and_experiments_count_a_session_each_for_itself(home: House) -> None:
    trials = [trial("t1", seconds=300), trial("t2", seconds=900)]
    await try_out(home, *trials)
    await route(home, 8, split={**split(home, 50), "watchedSeconds": 600})
    home.stubs[3].behaviour = "empty"
    while True:
        session = await session_in(home, "Canary", *trials)
        if (await home.gateway.sessions.get(session)).arm == "s1:Canary":
            break
    made = await home.decide(session, **ASK)
    record = await home.gateway.decisions.get(made["id"])
    assert record is not None
    assert (record.rollout, record.arm) == ("s1", "Canary")
    assert [(each.experiment, each.arm) for each in record.experiments or []] == [
        ("of-t1", "Canary"),
        ("of-t2", "Canary"),
    ]
    await post(home, session, quests=2.0)
    await due(home)
    told = {"fallbacks": 0.0, "quests": 2.0}
    of_member = {"member-errors": 1.0, "deadline-misses": 0.0}
    assert (await outcomes(home, "s1"))[-1] == ("Canary", told | of_member)
    for each in trials:
        assert ("Canary", told) in await outcomes(home, each.salt)


async def test_what_comes_after_a_window_counts_in_longer_ones_alone_whenever_it_is_added_up(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway that adds up was away meanwhile, say."""
    trials = [trial("t1", seconds=300), trial("t2", seconds=900)]
    await try_out(home, *trials)
    session = await session_in(home, "Canary", *trials)
    await post(home, session, quests=1.0)
    later = datetime.now(UTC) + timedelta(seconds=400)

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Later":
            return cls.fromtimestamp(later.timestamp(), tz)

    monkeypatch.setattr("runtime.gateway.story.watching.datetime", Later)
    await home.decide(session, **ASK)
    await post(home, session, quests=2.0, deaths=1.0)
    monkeypatch.undo()
    await due(home)
    assert ("Canary", {"quests": 1.0}) in await outcomes(home, "t1")
    assert ("Canary", {"quests": 2.0, "deaths": 1.0, "fallbacks": 0.0}) in await outcomes(
        home, "t2"
    )


async def test_all_sessions_of_a_player_are_in_one_arm_and_have_one_outcome(home: House) -> None:
    of_players = trial("p1", 40, unit="Player")
    await try_out(home, of_players)
    players = [f"player-{number}" for number in range(30)]
    sessions = {player: await home.session(player=player) for player in players}
    arm = {player: arms(each, of_players).get("p1", "Rest") for player, each in sessions.items()}
    assert set(arm.values()) == {"Canary", "Baseline", "Rest"}
    await try_out(home, trial("p1", 50, unit="Player"))
    for player in players:
        again = arms(await home.session(player=player), of_players).get("p1", "Rest")
        assert arm[player] in (again, "Rest")
        arm[player] = again
    assert arms(await home.session(), of_players) == {}
    found = [each.arm for each in (await observed(home, "p1")).observations]
    assert Counter(found) == Counter(each for each in arm.values() if each != "Rest")
    await due(home)
    assert len(await outcomes(home, "p1")) == len(found)


async def test_an_outcome_of_a_player_is_that_of_the_sessions_together(home: House) -> None:
    of_players = trial("p1", 50, unit="Player")
    await try_out(home, of_players)
    first = await home.session(player="Mara")
    (arm,) = arms(first, of_players).values()
    await post(home, first, quests=1.0, deaths=1.0)
    await home.decide(first, **ASK)
    home.write_routes(routes=[], generation=9)
    await eventually(lambda: home.gateway.report().routes_generation == 9)
    second = await home.session(player="Mara")
    assert (await home.decide(second, **ASK))["outcome"] == "Fallback"
    await post(home, second, quests=4.0)
    jon = await home.session(player="Jon")
    await post(home, jon, quests=9.0)
    await due(home)
    told = [each for each in await outcomes(home, "p1") if "deaths" in each[1]]
    assert told == [(arm, {"quests": 4.0, "deaths": 1.0, "fallbacks": 1.0})]


async def test_a_player_is_counted_once_through_restarts_and_anew_when_forgotten(
    home: House,
) -> None:
    of_players = trial("p1", 50, unit="Player")
    await try_out(home, of_players)
    for _ in range(2):
        await home.session(player="Mara")
    await home.gateway.close()
    async with serving(home.folder) as (client, gateway):
        again = House(client, gateway, home.stubs, home.folder)
        await eventually(lambda: gateway.unready is None)
        await again.session(player="Mara")
        assert len((await observed(again, "p1")).observations) == 1
        await gateway.forget_player("Mara", "game")
        await again.session(player="Mara")
        assert len((await observed(again, "p1")).observations) == 2
        await due(again)
        assert [values for _, values in await outcomes(again, "p1")] == [{}, {}]


VERSE = "Say it in verse. {{ persona }}"
LATER = "{{ who_am_i }}"


def tried(text: str = VERSE, digest: str = "d1") -> dict[str, Any]:
    """A template that an experiment tries."""
    return {"name": "system.j2", "digest": digest, "text": text}


def told(home: House) -> str:
    """The system's words of the last question."""
    words: str = home.stubs[0].asked[-1]["messages"][0]["content"]
    return words


async def test_a_canary_is_told_by_the_template_that_is_tried_and_others_as_ever(
    home: House,
) -> None:
    t1 = trial("t1", prompts={"system.j2": "d1"})
    await home.configure(trials=[t1.dump()], tried=[tried()])
    canary = await session_in(home, "Canary", t1)
    baseline = await session_in(home, "Baseline", t1)
    await home.decide(canary, **ASK)
    assert told(home) == "Say it in verse. You are the bard."
    await home.decide(baseline, **ASK)
    assert "verse" not in told(home)
    before = told(home)
    await home.configure()
    await home.decide(canary, **ASK)
    assert told(home) == before


async def test_an_answer_from_memory_is_not_given_across_templates(home: House) -> None:
    t1 = trial("t1", prompts={"system.j2": "d1"})
    memory = {"exact": {"ttlMinutes": 10}}
    await home.configure(trials=[t1.dump()], tried=[tried()], cache=memory)
    canary = await session_in(home, "Canary", t1)
    baseline = await session_in(home, "Baseline", t1)
    await home.decide(baseline, **ASK)
    asked = len(home.stubs[0].asked)
    await home.decide(canary, **ASK)
    assert len(home.stubs[0].asked) == asked + 1
    await home.decide(await session_in(home, "Baseline", t1), **ASK)
    assert len(home.stubs[0].asked) == asked + 1


async def test_nobody_is_in_an_arm_of_what_cannot_be_told_as_it_should_be(home: House) -> None:
    bad = trial("bad", prompts={"system.j2": "d2"})
    absent = trial("absent", prompts={"system.j2": "d3"})
    good = trial("good", prompts={"system.j2": "d1"})
    trials = [each.dump() for each in (bad, absent, good)]
    await home.configure(trials=trials, tried=[tried(), tried(LATER, "d2")])
    begun = [await home.session() for _ in range(8)]
    found = [arms(session, bad, absent, good) for session in begun]
    assert {salt for each in found for salt in each} == {"good"}
    report = home.gateway.report()
    assert [(each.digest, bool(each.refused)) for each in report.tried] == [
        ("d1", False),
        ("d2", True),
    ]
    assert "who_am_i is not known here" in (report.tried[1].refused or "")


async def begun(home: House, **said: Any) -> set[str]:
    """The experiments that some sessions are in of which the game says this."""
    t1, t2 = trial("t1", exclude=["minors"]), trial("t2")
    found = [arms(await home.session(**said), t1, t2) for _ in range(8)]
    return {salt for each in found for salt in each}


async def test_who_is_of_an_excluded_cohort_or_may_be_is_in_no_arm(home: House) -> None:
    trials = [trial("t1", exclude=["minors"]).dump(), trial("t2").dump()]
    await home.configure(trials=trials, cohorts=["minors", "first-week"])
    assert await begun(home, cohorts=[]) == {"t1", "t2"}
    assert await begun(home, cohorts=["first-week"]) == {"t1", "t2"}
    assert await begun(home, cohorts=["minors", "first-week"]) == {"t2"}
    assert await begun(home) == {"t2"}
    assert await begun(home, cohorts=["minor"]) == {"t2"}
    answer = await home.client.post("/v1/sessions", json={"cohorts": ["Minors!"]})
    assert answer.status_code == 422
