"""A quick variant answers for a slow member, and the slow one where there is nobody else."""

import os
import signal

from devcluster import Cluster
from tests.e2e import worlds
from tests.e2e.kube import Game, Kube, Object, until
from tests.e2e.processes import processes

#: A choice is five or six tokens: over a second for the full model, some 30 ms for the small one.
SLOW = ("--paced-tokens-per-second", "5")
QUICKLY = {"prefer": "Latency", "minimumAccuracy": "0.9"}
VARIANT = "fabula.dev/variant"


def chorus(*args: str, serving: Object | None = None) -> Object:
    """One slow member with a quick variant."""
    member = worlds.engine("one", *SLOW, variants=[worlds.variant("distilled", *args)])
    return worlds.ensemble(member, serving=serving or QUICKLY)


def asked(game: Game, session: str) -> Object:
    """The one candidate of a new decision."""
    record = game.get(f"/v1/decisions/{game.ask(session)['id']}")
    (candidate,) = record["candidates"]
    return dict(candidate)


def voice(kube: Kube) -> Object:
    (only,) = kube.get("st", "shepherd")["status"].get("voices", [{}])
    return dict(only)


def pods(kube: Kube) -> dict[str, str]:
    """UIDs of the engine pods, by variant."""
    found = kube.pods("app.kubernetes.io/name=engine")
    return {pod["metadata"]["labels"].get(VARIANT, "full"): pod["metadata"]["uid"] for pod in found}


def test_the_quick_variant_answers_and_the_full_one_while_it_is_out(
    fabula: Cluster, kube: Kube, game: Game
) -> None:
    assert fabula.kind == "native", "freezing a process needs the cluster's processes here"
    kube.apply(worlds.world(), chorus(), worlds.storyteller())
    kube.ready()
    session = game.session()
    until(
        "the quick variant is asked and measured",
        lambda: "p95" in (seen := asked(game, session))["why"] and seen["variant"] == "distilled",
        seconds=120,
    )
    until("the status says who is asked", lambda: "distilled" in voice(kube).get("variant", ""))
    frozen = processes(pods(kube)["distilled"])
    assert frozen
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        until(
            "the full model answers",
            lambda: (
                (seen := asked(game, session))["variant"] == "full" and seen["state"] == "Answered"
            ),
        )
        until("the status says who is out", lambda: "distilled is out" in voice(kube)["variant"])
        assert voice(kube)["answers"]
        assert game.ask(session)["outcome"] == "Vote"
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    until("the quick variant is back", lambda: "out" not in voice(kube)["variant"])
    until("and asked", lambda: asked(game, session)["variant"] == "distilled")
    kube.ready()


def test_editing_a_variant_rolls_only_the_variant_and_removing_it_leaves_nothing(
    kube: Kube, game: Game
) -> None:
    kube.apply(worlds.world(), chorus(), worlds.storyteller())
    kube.ready()
    before = pods(kube)
    kube.apply(chorus("--fault-latency-ms", "1"))
    until("a new pod of the variant", lambda: pods(kube)["distilled"] != before["distilled"])
    kube.ready()
    until("the old pod gone", lambda: len(kube.pods("app.kubernetes.io/name=engine")) == 2)
    assert pods(kube)["full"] == before["full"]
    kube.apply(worlds.ensemble(worlds.engine("one", *SLOW)))
    until("nothing of the variant left", lambda: not kube.find("deployments,services", VARIANT))
    kube.ready()
    assert pods(kube) == {"full": before["full"]}
    assert "variant" not in asked(game, game.session())
