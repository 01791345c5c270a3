"""A rollout that is judged: what is worse goes back by itself, what is equal goes on, and what
nobody played is not promoted.

Sessions are short and watched for seconds, and margins are wide, so that 300 pairs decide.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from cli import report
from cli.picture import render
from tests.e2e import worlds
from tests.e2e.kube import Game, Kube, Object, until
from tests.e2e.test_rollout import member, rollout, told_by

PLAYERS = 8
SLOW_MS = 500
GUARDRAILS = [
    {"metric": "member-errors", "marginPoints": "10"},
    {"metric": "member-slow", "marginPoints": "20"},
]
TIMED = {"trafficPercent": 50, "pauseMinutes": 1}


def chorus(*args: str, step: Object = TIMED, **more: Any) -> Object:
    """Two members, the second of which changes by arguments of its engine."""
    analysis = {
        "windowSeconds": 8,
        "slowAboveMilliseconds": SLOW_MS,
        "maxPairs": 300,
        "deadlineMinutes": 3,
        **more.pop("analysis", {}),
    }
    policy = {"steps": [step], "guardrails": GUARDRAILS, "analysis": analysis, **more}
    return worlds.ensemble(worlds.engine("one"), worlds.engine("two", *args), rollout=policy)


def begin(kube: Kube, *args: str, **more: Any) -> tuple[str, str]:
    """The old revision and the new one, with the new one in its step."""
    kube.apply(worlds.world(), chorus(**more), worlds.storyteller())
    kube.ready()
    old: str = member(kube)["stable"]
    kube.apply(chorus(*args, **more))
    until("the step", lambda: rollout(kube).get("trafficPercent") == 50, 120)
    return old, member(kube)["revision"]


@contextmanager
def crowd(game: Game, turns: int) -> Iterator[dict[str, list[Object]]]:
    """Players who play short sessions, one after the other, for as long as the block runs; what
    each session was told."""
    told: dict[str, list[Object]] = {}
    enough = threading.Event()

    def play() -> None:
        while not enough.is_set():
            session = game.session()
            told[session] = [game.ask(session) for _ in range(turns)]

    with ThreadPoolExecutor(PLAYERS) as players:
        playing = [players.submit(play) for _ in range(PLAYERS)]
        try:
            yield told
        finally:
            enough.set()
    for player in playing:
        player.result()


def ends(kube: Kube, phase: str, seconds: float) -> Object:
    """The verdict with which the rollout came to this phase."""

    def look() -> Object | None:
        seen = rollout(kube)
        return None if seen["phase"] in {"Starting", "Stepping"} else seen

    found = until(f"the rollout is {phase}", look, seconds, last=lambda: rollout(kube))
    assert found["phase"] == phase, found
    return dict(found["verdict"])


@pytest.mark.parametrize(
    ("fault", "turns", "metric"),
    [
        (("--fault-empty-rate", "0.05"), 3, "member-errors"),
        (("--fault-latency-ms", str(2 * SLOW_MS)), 1, "member-slow"),
    ],
    ids=["empty", "slow"],
)
def test_what_is_worse_goes_back(
    kube: Kube, game: Game, fault: tuple[str, ...], turns: int, metric: str
) -> None:
    old, new = begin(kube, *fault)
    with crowd(game, turns) as told:
        verdict = ends(kube, "Aborted", 180)
    assert verdict["kind"] == "Harm"
    assert verdict["pairs"] <= 300
    standings = {each["name"]: each["standing"] for each in verdict["metrics"]}
    assert standings[metric] == "Harmful"
    until("everyone is back", lambda: told_by(game, game.session()) == (old, None), seconds=10)
    assert "the canary is worse" in rollout(kube)["message"]
    kube.says("me", "chorus", "HeldBack", "was sent back")
    records = [game.get(f"/v1/decisions/{answers[0]['id']}") for answers in told.values()]
    for record in records:
        (revision,) = (c["revision"] for c in record["candidates"] if c["member"] == "two")
        assert (revision == new) == (record.get("arm") == "Canary")
    assert {a["outcome"] for answers in told.values() for a in answers} <= {"Vote", "BestMember"}


def test_an_equal_model_is_promoted_when_it_is_proven(kube: Kube, game: Game) -> None:
    _, new = begin(kube, "--fault-seed", "1")
    with crowd(game, turns=3):
        verdict = ends(kube, "Promoted", 240)
    assert verdict["kind"] == "Proven"
    assert {each["standing"] for each in verdict["metrics"]} == {"Proven"}
    assert "without proof" not in rollout(kube)["message"]
    until("everyone has it", lambda: told_by(game, game.session())[0] == new, seconds=10)
    kept = kube.get("configmap", "chorus-analysis")
    assert kept["data"]["rollout"] == rollout(kube)["salt"]
    story = report.of_rollout(kube.get("me", "chorus"), kept)
    assert story.history.looks[-1].blocks == verdict["pairs"]
    assert story.history.log[-1].mark == "Promoted 1 100"
    assert "proven no worse" in render(story, datetime.now(UTC))


def test_a_model_that_nobody_played_is_inconclusive(kube: Kube, game: Game) -> None:
    person = {"trafficPercent": 50, "waitFor": "Person"}
    at_once = {"analysis": {"deadlineMinutes": 1}, "whenInconclusive": "RollBack"}
    old, _ = begin(kube, "--fault-seed", "1", step=person, **at_once)

    def sent_back() -> bool:
        return bool(rollout(kube)["phase"] == "Aborted")

    until("it is sent back at the deadline", sent_back, 120, last=lambda: rollout(kube))
    assert rollout(kube)["verdict"]["kind"] == "Inconclusive"
    assert "no data before the deadline" in rollout(kube)["message"]
    assert told_by(game, game.session()) == (old, None)
