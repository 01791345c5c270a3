"""A long story on a real cluster: what is remembered while gateways are killed and replaced."""

import json
import os
import signal
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from devcluster import Cluster
from tests.e2e import redis, worlds
from tests.e2e.kube import Game, Kube, Object, until

FACTS = ["The key lies under the third stone.", "Mara owes Brannoch 42 songs. 灰"]
HOT = {"stores": {"hot": {"redis": {"addressSecretRef": {"name": redis.NAME, "key": "url"}}}}}
#: Small enough for several chapters in one test.
SESSIONS = {"contextTokens": 900}
STATEFUL_SET = "statefulset/shepherd-gateway"


@pytest.fixture(scope="session")
def redis_image(fabula: Cluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    return redis.load(fabula, tmp_path_factory.mktemp("redis"))


@dataclass
class Player:
    """A client that does as the documentation says: a key for each question, and the same key again
    after anything but an answer."""

    game: Game
    session: str
    made: list[str] = field(default_factory=list)
    #: What came instead of an answer, by status or error.
    repeated: Counter[str] = field(default_factory=Counter)

    def turn(self, number: int) -> Object:
        """One turn, however often it takes to ask."""
        body = {"question": f"Day {number} at the gate. Which way?", "options": ["north", "south"]}
        deadline = time.monotonic() + 90
        pause = threading.Event()
        while True:
            try:
                answer = self._ask(f"turn-{number}", body)
            except urllib.error.HTTPError as error:
                text = error.read().decode(errors="replace")
                # What a gateway answers is JSON; else a proxy says that its connection broke.
                told = error.headers.get_content_subtype() == "problem+json"
                if told and (error.code not in (409, 502, 503, 504) or "key-reused" in text):
                    raise AssertionError(f"turn {number}: {error.code} {text}") from error
                self.repeated[str(error.code)] += 1
            except (OSError, HTTPException) as error:
                self.repeated[type(error).__name__] += 1
            else:
                self.made.append(answer["id"])
                return answer
            assert time.monotonic() < deadline, f"turn {number}: {self.repeated}"
            pause.wait(0.2)

    def _ask(self, key: str, body: Object) -> Object:
        kube = self.game.kube
        service = f"http:{self.game.storyteller}-gateway:http"
        request = urllib.request.Request(
            f"{self.game.api}/api/v1/namespaces/{kube.namespace}/services/{service}/proxy"
            f"/v1/sessions/{self.session}/decisions",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Idempotency-Key": key},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            made: Object = json.load(answer)
            return made

    def check(self, turns: int) -> None:
        """Every turn was told once, and none was lost."""
        assert len(self.made) == len(set(self.made)) == turns
        view = self.game.get(f"/v1/sessions/{self.session}")
        assert view["turns"] == turns, (view, self.repeated)


def begin(kube: Kube, game: Game, replicas: int = 1, *, hot: bool = False, **spec: Any) -> Player:
    """The world, and a session with facts in it."""
    world = worlds.world(**(HOT if hot else {}))
    teller = worlds.storyteller(sessions=SESSIONS, replicas=replicas, **spec)
    kube.apply(world, worlds.ensemble(), teller)
    kube.ready(180)
    player = Player(game, game.session())
    for fact in FACTS:
        game.post(f"/v1/sessions/{player.session}/facts", {"text": fact})
    return player


def remembers(player: Player) -> None:
    """The facts are what they were, word for word."""
    facts = player.game.get(f"/v1/sessions/{player.session}/facts")["facts"]
    assert [fact["text"] for fact in facts] == FACTS


@pytest.fixture
def playing() -> Iterator[Callable[..., threading.Thread]]:
    """Turns in a thread of their own, which has to end well."""
    threads: list[tuple[threading.Thread, list[BaseException]]] = []

    def play(player: Player, numbers: range) -> threading.Thread:
        faults: list[BaseException] = []

        def run() -> None:
            try:
                for number in numbers:
                    player.turn(number)
            except BaseException as error:
                faults.append(error)

        thread = threading.Thread(target=run, daemon=True)
        threads.append((thread, faults))
        thread.start()
        return thread

    yield play
    for thread, faults in threads:
        thread.join(120)
        assert not thread.is_alive()
        assert faults == []


def kill_gateway(pod: Object) -> None:
    """SIGKILL to the gateway's own process: nobody tells it, nobody waits for it."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            group = (folder / "cgroup").read_text()
            command = (folder / "cmdline").read_text()
        except OSError:
            continue  # it ended while we looked
        if pod["metadata"]["uid"] in group and "runtime.gateway" in command:
            found.append(int(folder.name))
    assert found
    for process in found:
        os.kill(process, signal.SIGKILL)


def gateways(kube: Kube) -> list[Object]:
    found = kube.pods("app.kubernetes.io/name=gateway")
    return sorted(found, key=lambda pod: str(pod["metadata"]["name"]))


def roll(kube: Kube, **spec: Any) -> None:
    """Replace every gateway by one with other resources, and wait until that is done."""
    resources = {"requests": {"cpu": "51m", "memory": "128Mi"}}
    kube.apply(worlds.storyteller(sessions=SESSIONS, resources=resources, **spec))
    wanted = "51m"

    def asked() -> bool:
        pod = kube.get("statefulset", "shepherd-gateway")["spec"]["template"]["spec"]
        return bool(pod["containers"][0]["resources"]["requests"]["cpu"] == wanted)

    until("the StatefulSet changes", asked)
    kube.kubectl("rollout", "status", STATEFUL_SET, "--timeout=180s", timeout=200)


def test_two_hundred_turns_on_the_volume_of_a_gateway_that_is_killed_and_replaced(
    fabula: Cluster, kube: Kube, game: Game, playing: Callable[..., threading.Thread]
) -> None:
    assert fabula.kind == "native", "killing a process needs the cluster's processes here"
    player = begin(kube, game)
    thread = playing(player, range(1, 201))
    until("60 turns", lambda: len(player.made) >= 60, 180)
    kill_gateway(gateways(kube)[0])
    until("100 turns", lambda: len(player.made) >= 100, 180)
    roll(kube)
    thread.join(300)
    player.check(200)
    remembers(player)
    view = game.get(f"/v1/sessions/{player.session}")
    assert view["handovers"] >= 3
    records = [game.get(f"/v1/decisions/{decision}") for decision in player.made[::10]]
    assert [record["place"]["turn"] for record in records] == list(range(1, 201, 10))


def test_two_replicas_on_redis_are_killed_and_replaced_and_no_turn_fails_or_doubles(
    fabula: Cluster,
    kube: Kube,
    game: Game,
    redis_image: str,
    playing: Callable[..., threading.Thread],
) -> None:
    assert fabula.kind == "native", "killing a process needs the cluster's processes here"
    redis.run(kube, redis_image)
    player = begin(kube, game, 2, hot=True)
    kube.kubectl("rollout", "status", STATEFUL_SET, "--timeout=120s", timeout=150)
    assert len(gateways(kube)) == 2
    assert kube.find("poddisruptionbudgets")
    thread = playing(player, range(1, 201))
    until("40 turns", lambda: len(player.made) >= 40, 180)
    kill_gateway(gateways(kube)[1])
    until("80 turns", lambda: len(player.made) >= 80, 180)
    roll(kube, replicas=2)
    thread.join(300)
    player.check(200)
    remembers(player)
    assert game.get(f"/v1/sessions/{player.session}")["handovers"] >= 3
    # Any replica answers for the decisions of all.
    for decision in player.made[::20]:
        for _ in range(4):
            assert game.get(f"/v1/decisions/{decision}")["id"] == decision


def test_a_hot_store_whose_secret_is_missing_is_named_and_works_once_it_is_there(
    kube: Kube, game: Game, redis_image: str
) -> None:
    kube.apply(worlds.world(**HOT), worlds.ensemble(), worlds.storyteller(replicas=2))
    message = kube.says("st", "shepherd", "SecretNotFound", seconds=120)
    assert "kubectl create secret generic redis --from-literal=url=" in message
    redis.run(kube, redis_image)
    kube.ready(180)
    assert game.ask(game.session())["outcome"] == "Vote"
    kube.delete("pod", "redis")
    message = kube.says("st", "shepherd", "StoreUnreachable", seconds=60)
    assert "redis://" not in message
    redis.run(kube, redis_image)
    kube.ready(120)


def test_a_deleted_session_is_gone(kube: Kube, game: Game) -> None:
    player = begin(kube, game)
    player.turn(1)
    path = f"/v1/sessions/{player.session}"
    service = f"http:{game.storyteller}-gateway:http"
    request = urllib.request.Request(
        f"{game.api}/api/v1/namespaces/{kube.namespace}/services/{service}/proxy{path}",
        method="DELETE",
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 204
    with pytest.raises(urllib.error.HTTPError) as caught:
        game.get(path)
    with caught.value as error:
        assert error.code == 410
        assert "session-deleted" in error.read().decode()
