"""With room for exactly the stable fleet a canary completes, and capacity never falls below the
declared minimum. Seats are an extended resource of one node, as GPUs are."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from devcluster import Cluster
from tests.e2e import worlds
from tests.e2e.kube import Kube, Object, until
from tests.e2e.test_rollout import ask, member, rollout, stands

SEAT = "fabula.dev/seat"
REPLICAS = 2
MEMBER = "fabula.dev/member=two"


def chorus(**changed: Any) -> Object:
    seated = {"limits": {SEAT: "1"}}
    two = worlds.engine("two", resources=seated, scaling={"minReplicas": REPLICAS}, **changed)
    steps = [{"trafficPercent": 10, "pauseMinutes": 1}, {"trafficPercent": 50, "waitFor": "Person"}]
    policy = {"steps": steps, "surge": 0, "rollbackWindowMinutes": 30}
    return worlds.ensemble(worlds.engine("one"), two, rollout=policy)


@pytest.fixture
def seats(fabula: Cluster) -> Iterator[None]:
    """As many on the first node as the fleet needs."""
    everywhere = Kube(fabula, "default")
    node = everywhere.find("nodes")[0]["metadata"]["name"]
    path = f"/status/capacity/{SEAT.replace('/', '~1')}"

    def patch(**change: str) -> None:
        text = json.dumps([{"path": path, **change}])
        everywhere.kubectl("patch", "node", node, "--subresource=status", "--type=json", "-p", text)

    patch(op="add", value=str(REPLICAS))
    until("seats", lambda: SEAT in everywhere.get("node", node)["status"]["allocatable"], 90)
    yield
    patch(op="remove")


@dataclass
class Watch:
    """Pods of the member that are ready, and all that take a place, at every look."""

    ready: list[int] = field(default_factory=list)
    pods: list[int] = field(default_factory=list)


@contextmanager
def watched(kube: Kube) -> Iterator[Watch]:
    """Looks as often as it can, for as long as the block runs."""
    seen, done = Watch(), threading.Event()

    def look() -> None:
        while not done.wait(0.2):
            found = kube.find("pods", MEMBER)
            seen.pods.append(sum(map(takes_place, found)))
            seen.ready.append(sum(map(is_ready, found)))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join(60)


def is_ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


def takes_place(pod: Object) -> bool:
    """What has ended gave its place back, even while its pod is still being removed."""
    return pod.get("status", {}).get("phase") not in {"Succeeded", "Failed"}


def serving(kube: Kube) -> dict[str, int]:
    """Ready pods of the member, by revision."""
    found = [pod for pod in kube.find("pods", MEMBER) if is_ready(pod)]
    revisions = [pod["metadata"]["labels"]["fabula.dev/revision"] for pod in found]
    return {revision: revisions.count(revision) for revision in revisions}


@pytest.mark.usefixtures("seats")
def test_a_canary_completes_with_room_for_the_fleet_alone(kube: Kube) -> None:
    kube.apply(worlds.world(), chorus())
    kube.ready()
    until("the fleet", lambda: sum(serving(kube).values()) == REPLICAS, 120)
    old = member(kube)["stable"]
    with watched(kube) as seen:
        kube.apply(chorus(sampling={"temperature": "0.1"}))
        stands(kube, "Stepping", 10, 120)
        new = member(kube)["revision"]
        assert serving(kube) == {old: 1, new: 1}
        assert ask(kube, "SkipStep").startswith("Done")
        stands(kube, "Paused", 50)
        assert ask(kube, "Promote").startswith("Done")
        stands(kube, "Promoted", 100)
        until("the new fleet", lambda: serving(kube) == {new: REPLICAS}, 120)
        assert "as soon as it is ready, in some" in rollout(kube)["message"]
        assert ask(kube, "Undo").startswith("Done")
        until("the old fleet", lambda: serving(kube) == {old: REPLICAS}, 180)
        assert member(kube)["stable"] == old
    assert (min(seen.ready), max(seen.pods)) == (REPLICAS - 1, REPLICAS), seen


def test_a_member_with_one_replica_has_no_place_to_give(kube: Kube) -> None:
    one, two = worlds.engine("one"), worlds.engine("two", scaling={"minReplicas": 2})
    policy = {"steps": [{"trafficPercent": 10, "waitFor": "Person"}], "surge": 0}
    kube.apply(worlds.world(), worlds.ensemble(one, two, rollout=policy))
    kube.ready()
    changed = worlds.engine("one", sampling={"temperature": "0.1"})
    kube.apply(worlds.ensemble(changed, two, rollout=policy))
    kube.says("me", "chorus", "HeldBack", "raise its scaling.minReplicas to 2, or set surge to 1")
