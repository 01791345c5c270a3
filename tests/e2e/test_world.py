"""A world from apply to delete."""

import pytest

from tests.e2e import worlds
from tests.e2e.kube import Game, Kube, until


def test_a_world_reaches_ready_and_tells_a_story(kube: Kube, game: Game) -> None:
    kube.apply(*worlds.whole())
    kube.ready()
    session = game.session()
    decision = game.ask(session)
    assert decision["decision"] in {"north", "south"}
    assert len(decision["votes"]) == 3
    assert game.get(f"/v1/decisions/{decision['id']}")["id"] == decision["id"]
    lines = kube.kubectl("get", "world,me,st").splitlines()
    assert any("shepherd" in line and "True" in line and "3/3" in line for line in lines)


@pytest.mark.parametrize("order", [(2, 1, 0), (1, 2, 0)])
def test_the_order_of_files_does_not_matter(kube: Kube, order: tuple[int, ...]) -> None:
    for index in order:
        kube.apply(worlds.whole()[index])
    kube.ready()


def test_delete_leaves_nothing(kube: Kube) -> None:
    kube.apply(*worlds.whole())
    kube.ready()
    kube.delete("world,me,st", "--all")
    kube.gone()


def test_retained_volumes_are_named_and_a_new_world_goes_on_over_them(
    kube: Kube, game: Game
) -> None:
    made = (worlds.world(deletionPolicy="Retain"), worlds.ensemble(), worlds.storyteller())
    kube.apply(*made)
    kube.ready()
    session = game.session()
    before = game.ask(session)
    kube.delete("world,me,st", "--all")
    kube.gone(keep=("PersistentVolumeClaim",))
    claims = [claim["metadata"]["name"] for claim in kube.find("pvc")]
    assert claims == ["data-shepherd-gateway-0"]
    events = until("the event", lambda: kube.events("VolumesRetained"))
    assert "data-shepherd-gateway-0" in events[0]["message"]
    kube.apply(*made)
    kube.ready()
    record = game.get(f"/v1/decisions/{before['id']}")
    assert record["result"]["decision"] == before["decision"]
    assert game.get(f"/v1/sessions/{session}")["id"] == session


def test_a_child_deleted_by_hand_comes_back(kube: Kube) -> None:
    kube.apply(*worlds.whole())
    kube.ready()
    kube.delete("service", "shepherd-gateway")
    kube.delete("configmap", "chorus-routes")
    until(
        "service and routes again",
        lambda: (
            {"shepherd-gateway", "chorus-routes"}
            <= {child["metadata"]["name"] for child in kube.find("services,configmaps")}
        ),
    )


def test_kubectl_explains_like_a_manual(kube: Kube) -> None:
    text = kube.kubectl("explain", "modelensemble.spec.members")
    assert "How much its vote counts" in text
    assert "Default: `consensus.timeoutSeconds`" in text
