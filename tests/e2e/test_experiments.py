"""An idea about the game on a real cluster: what is better is everyone's when it is proven, what is
worse goes back by itself, and what designers locked is not touched.

Sessions are short and watched for seconds, and effects are large, so that few pairs decide.
"""

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.e2e import worlds
from tests.e2e.kube import Game, Kube, Object, until
from tests.e2e.test_tunables import read

PLAYERS = 8
GOLD = {
    "name": "quest-gold",
    "type": "Integer",
    "default": "120",
    "bounds": {"max": "300", "maxStep": "20"},
}
METRICS = [
    {"name": "joy", "direction": "HigherIsBetter"},
    {"name": "quit", "direction": "LowerIsBetter"},
]

#: What a session was given: the gold that it read, or the words that members were told.
Look = Callable[[str], int]
#: How likely a session is to come to each metric, by that.
Mood = Callable[[int], dict[str, float]]
#: So many words that the engines, which count them, tell who was told by it.
WORDS = 300
VERSE = "{{ persona }} " + "verse " * WORDS


def world(**gold: object) -> Object:
    return worlds.world(tunables=[GOLD | gold], metrics=METRICS, config={"replicas": 1})


def experiment(name: str = "richer", value: str = "140", **spec: object) -> Object:
    return worlds.obj(
        "EvolutionExperiment",
        name,
        {
            "worldRef": "meadow",
            "hypothesis": "More gold, more joy.",
            "changes": [{"tunable": {"name": "quest-gold", "value": value}}],
            "objective": {"metric": "joy", "minimumEffectPoints": "20"},
            "guardrails": [{"metric": "quit", "marginPoints": "20"}],
            "canary": {
                "steps": [50],
                "stepMinutes": 1,
                "windowSeconds": 8,
                "maxPairs": 400,
                "deadlineMinutes": 5,
                "rollbackSeconds": 4,
            },
            **spec,
        },
    )


@pytest.fixture
def base(kube: Kube, api: str) -> str:
    """The configuration service's address, by way of the API server's proxy."""
    service = "http:meadow-config:http"
    return f"{api}/api/v1/namespaces/{kube.namespace}/services/{service}/proxy"


def gold_of(base: str, session: str) -> int:
    value: int = read(base, f"/v1/config?session={session}")["values"]["quest-gold"]
    return value


def flag_of(base: str, session: str) -> Object:
    body = json.dumps({"context": {"targetingKey": session}}).encode()
    return read(base, "/ofrep/v1/evaluate/flags/quest-gold", body)


def status(kube: Kube, name: str = "richer") -> Object:
    found: Object = kube.get("ee", name).get("status", {})
    return found


def comes_to(kube: Kube, *phases: str, seconds: float = 60) -> Object:
    """The status once it is in one of these phases."""

    def look() -> Object | None:
        seen = status(kube)
        return seen if seen.get("phase") in phases else None

    return until(f"the experiment is {phases}", look, seconds, last=lambda: status(kube))


def reads_gold(game: Game, base: str) -> Look:
    """A session that reads its gold, and asks."""

    def look(session: str) -> int:
        gold = gold_of(base, session)
        game.ask(session)
        return gold

    return look


def counts_words(game: Game) -> Look:
    """A session that asks, and how many words the member was told."""

    def look(session: str) -> int:
        record = game.get(f"/v1/decisions/{game.ask(session)['id']}")
        words: int = record["candidates"][0]["tokens"]["prompt"]
        return words

    return look


@contextmanager
def crowd(game: Game, look: Look, mood: Mood) -> Iterator[dict[str, int]]:
    """Players who play short sessions, one after the other, for as long as the block runs; what
    each session was given."""
    told: dict[str, int] = {}
    enough = threading.Event()

    def play(seed: int) -> None:
        chance = random.Random(seed)
        while not enough.is_set():
            session = game.session()
            given = told[session] = look(session)
            found = {name: float(chance.random() < rate) for name, rate in mood(given).items()}
            game.post(f"/v1/sessions/{session}/metrics", found)

    with ThreadPoolExecutor(PLAYERS) as players:
        playing = [players.submit(play, seed) for seed in range(PLAYERS)]
        try:
            yield told
        finally:
            enough.set()
    for player in playing:
        player.result()


def begin(kube: Kube) -> None:
    kube.apply(world(), worlds.ensemble(worlds.engine("one")), worlds.storyteller())
    kube.ready()
    kube.apply(experiment())
    comes_to(kube, "Running")


def ask(kube: Kube, action: str) -> Object:
    """As a person does; the answer."""
    patch = json.dumps({"status": {"request": {"action": action, "id": action}}})
    line = ("patch", "ee", "richer", "--subresource=status", "--type=merge", "-p", patch)
    kube.kubectl(*line)

    def answered() -> Object | None:
        answer: Object = status(kube).get("lastRequest", {})
        return answer if answer.get("id") == action else None

    return until(f"an answer to {action}", answered, 30)


def test_what_is_better_is_everyones_when_a_person_approves(
    kube: Kube, game: Game, base: str
) -> None:
    begin(kube)
    look = reads_gold(game, base)
    with crowd(game, look, lambda gold: {"joy": 0.9 if gold == 140 else 0.3, "quit": 0.0}) as told:
        found = comes_to(kube, "AwaitingApproval", "RolledBack", "Paused", seconds=240)
        assert found["phase"] == "AwaitingApproval", found
        assert ask(kube, "Approve")["outcome"] == "Done"
        comes_to(kube, "Promoting", "Promoted")
        promoted = time.monotonic()
        until("everyone reads the new value", lambda: gold_of(base, "anybody") == 140, seconds=2)
        assert time.monotonic() - promoted < 2
    assert set(told.values()) == {120, 140}
    comes_to(kube, "Promoted")
    (flag,) = {json.dumps(flag_of(base, session), sort_keys=True) for session in list(told)[:20]}
    assert json.loads(flag)["value"] == 140
    assert json.loads(flag)["reason"] == "STATIC"
    (entry,) = kube.get("world", "meadow")["status"]["promoted"]
    assert (entry["target"], entry["value"]) == ("tunable/quest-gold", "140")
    assert found["effect"].startswith("+")
    assert found["objective"]["standing"] == "Proven"
    assert kube.get("configmap", "richer-experiment")["data"]["rollout"] == found["salt"]

    kube.apply(world(default="130"))
    until("Git wins", lambda: gold_of(base, "anybody") == 130, seconds=30)
    until(
        "the entry is gone",
        lambda: not kube.get("world", "meadow")["status"].get("promoted"),
        seconds=30,
    )
    assert kube.events("PromotionOverruled")


def test_what_is_worse_goes_back_by_itself(kube: Kube, game: Game, base: str) -> None:
    begin(kube)
    look = reads_gold(game, base)
    with crowd(game, look, lambda gold: {"joy": 0.5, "quit": 0.6 if gold == 140 else 0.0}) as told:
        found = comes_to(kube, "RolledBack", "AwaitingApproval", "Paused", seconds=240)
        assert found["phase"] == "RolledBack", found
    assert found["verdict"]["kind"] == "Harm"
    (quit_,) = found["guardrails"]
    assert quit_["standing"] == "Harmful"
    in_canary = [session for session, gold in told.items() if gold == 140]
    assert in_canary
    until("nobody has it", lambda: gold_of(base, in_canary[0]) == 120, seconds=10)
    assert flag_of(base, in_canary[0])["reason"] == "STATIC"
    kube.says("ee", "richer", "RolledBack", "the canary is worse")
    assert not kube.get("world", "meadow")["status"].get("promoted")


def test_what_is_locked_is_refused_with_words_and_a_running_spec_stands(
    kube: Kube, game: Game, base: str
) -> None:
    kube.apply(world(locked=True), worlds.ensemble(worlds.engine("one")), worlds.storyteller())
    kube.ready()
    kube.apply(experiment())
    kube.says("ee", "richer", "ExperimentInvalid", "tunable quest-gold is locked")
    kube.apply(world())
    comes_to(kube, "Running")
    assert "an experiment that runs keeps its spec" in kube.refused(experiment(value="130"))
    kube.apply(experiment("rival", "130"))
    kube.says("ee", "rival", "ExperimentWaiting", "richer runs and changes quest-gold too")

    def in_an_arm() -> str | None:
        session = game.session()
        return session if flag_of(base, session)["reason"] == "SPLIT" else None

    session = until("a session in an arm", in_an_arm, seconds=30)
    kube.delete("ee", "--all")
    until("nobody is in its arms", lambda: flag_of(base, session)["reason"] == "STATIC", seconds=10)
    until(
        "nothing is left of it",
        lambda: not kube.find("configmaps", "app.kubernetes.io/name=experiment"),
    )


def test_other_words_are_read_first_then_tried_and_then_everyones(kube: Kube, game: Game) -> None:
    ref = {"name": "verse", "key": "text"}
    change = {"storyteller": "shepherd", "name": "system.j2", "configMapRef": ref}
    kube.apply(world(), worlds.ensemble(worlds.engine("one")), worlds.storyteller())
    kube.ready()
    kube.apply(worlds.config_map("verse", text="{{ persna }}"))
    kube.apply(experiment(changes=[{"prompt": change}], promotion={"approval": "Automatic"}))
    kube.says("ee", "richer", "ExperimentInvalid", "did you mean persona?")
    kube.apply(worlds.config_map("verse", text=VERSE))
    comes_to(kube, "Running")
    words = counts_words(game)
    mood: Mood = lambda told: {"joy": 0.9 if told > WORDS else 0.3, "quit": 0.0}  # noqa: E731
    with crowd(game, words, mood) as told:
        found = comes_to(kube, "Promoting", "Promoted", "RolledBack", "Paused", seconds=240)
        assert found["phase"] in {"Promoting", "Promoted"}, found
    assert {count > WORDS for count in told.values()} == {True, False}
    comes_to(kube, "Promoted")
    until("everyone is told so", lambda: words(game.session()) > WORDS, seconds=10)
    (entry,) = kube.get("st", "shepherd")["status"]["promoted"]
    assert (entry["target"], entry["experiment"]) == ("prompt/shepherd/system.j2", "richer")
    assert kube.get("configmap", "shepherd-promoted")["data"] == {"system.j2": VERSE}

    kube.delete("ee", "--all")
    kube.delete("configmap", "verse")
    assert words(game.session()) > WORDS
    kube.apply(worlds.config_map("words", **{"system.j2": "{{ persona }}"}))
    kube.apply(worlds.storyteller(prompts={"configMapRef": {"name": "words"}}))
    until("Git wins", lambda: words(game.session()) < WORDS, seconds=30)
    until(
        "the entry is gone",
        lambda: not kube.get("st", "shepherd")["status"].get("promoted"),
        seconds=30,
    )
    assert kube.events("PromotionOverruled")
