"""A World's tunables reach the game through its service, and so does a change."""

import json
import time
import urllib.error
import urllib.request

import pytest

from tests.e2e import worlds
from tests.e2e.kube import Kube, Object, until

GOLD = {"name": "quest-gold", "type": "Integer", "default": "120", "bounds": {"max": "300"}}
ASH = {"name": "ash-fall", "type": "Number", "default": "1"}


def tuned(*tunables: Object, **config: object) -> Object:
    return worlds.world(tunables=list(tunables), config={"replicas": 1, **config})


@pytest.fixture
def base(kube: Kube, api: str) -> str:
    """The service's address, by way of the API server's proxy."""
    service = "http:meadow-config:http"
    return f"{api}/api/v1/namespaces/{kube.namespace}/services/{service}/proxy"


def read(base: str, path: str = "/v1/config?session=s-1", body: bytes | None = None) -> Object:
    request = urllib.request.Request(
        base + path, data=body, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: Object = json.load(answer)
    return found


def test_a_game_reads_values_and_sees_a_change_soon(kube: Kube, base: str) -> None:
    kube.apply(tuned(GOLD, ASH))
    kube.ready(kinds="world")
    first = read(base)
    assert first["values"] == {"ash-fall": 1.0, "quest-gold": 120}
    pods = {pod["metadata"]["uid"] for pod in kube.pods()}

    kube.apply(tuned({**GOLD, "default": "140"}, ASH))
    changed = time.monotonic()
    until("the new value", lambda: read(base)["values"]["quest-gold"] == 140)
    assert time.monotonic() - changed < 5
    flag = read(base, "/ofrep/v1/evaluate/flags/quest-gold", b'{"context": {}}')
    assert (flag["value"], flag["variant"], flag["reason"]) == (140, "default", "STATIC")

    until(
        "the status has the digest that games read",
        lambda: kube.get("world", "meadow")["status"]["config"]["digest"] == read(base)["digest"],
    )
    shown = kube.get("world", "meadow")["status"]["tunables"]
    assert {each["name"]: each["value"] for each in shown} == {
        "ash-fall": "1",
        "quest-gold": "140",
    }
    assert {pod["metadata"]["uid"] for pod in kube.pods()} == pods


def test_a_value_out_of_bounds_is_refused_with_the_remedy(kube: Kube) -> None:
    words = kube.refused(tuned({**GOLD, "default": "301"}))
    assert "change default or bounds" in words


def test_without_a_key_nobody_reads_where_keys_are_asked_for(kube: Kube, base: str) -> None:
    kube.apply(tuned(GOLD, apiKeysSecretRef={"name": "nobody-made-this"}))
    kube.ready(kinds="world")
    with pytest.raises(urllib.error.HTTPError) as refused:
        read(base)
    assert refused.value.code == 401
    refused.value.close()


def test_a_broken_object_stalls_the_world_and_leaves_the_rest_served(kube: Kube, base: str) -> None:
    broken = {"name": "loot", "type": "Object", "default": "{iron: 3}"}
    kube.apply(tuned(GOLD, broken))
    kube.says("world", "meadow", "TunableInvalid", "spec.tunables[loot].default", seconds=120)
    assert read(base)["values"] == {"quest-gold": 120}
    kube.apply(tuned(GOLD, {**broken, "default": '{"iron": 3}'}))
    kube.ready(kinds="world")
    until("the object", lambda: read(base)["values"].get("loot") == {"iron": 3})


def test_the_service_goes_with_the_last_tunable_and_all_of_it_with_the_world(kube: Kube) -> None:
    kube.apply(tuned(GOLD, replicas=2))
    kube.ready(kinds="world")
    kube.apply(worlds.world())
    running = "deployments,services,poddisruptionbudgets,pods"
    until(
        "nothing that runs is left",
        lambda: not kube.find(running, "fabula.dev/world=meadow"),
        seconds=90,
    )
    kube.delete("world", "meadow")
    kube.gone()
