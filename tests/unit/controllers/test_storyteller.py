"""What a Storyteller becomes, and what it says of its members."""

import json
from typing import Any

import pytest

from controllers.observed import StorytellerGone, StorytellerObserved
from controllers.plan import Children, Object, Plan
from controllers.storyteller import farewell, plan
from crds.gateway import GatewayReport
from crds.storyteller import Storyteller, Voice
from tests.unit.controllers.builders import (
    DEFAULTS,
    NOW,
    condition,
    ensemble,
    hosted,
    live,
    storyteller,
    world,
)


def observe(made: Storyteller, **more: Any) -> StorytellerObserved:
    return StorytellerObserved(
        storyteller=made, defaults=DEFAULTS, **{"ensemble": ensemble(), **more}
    )


def found(result: Plan, kind: str) -> Object:
    return next(obj for obj in result.apply if obj["kind"] == kind)


RUNNING = {
    "metadata": {"name": "bard-gateway-0"},
    "status": {"conditions": [{"type": "Ready", "status": "True"}]},
}


def report(*voices: Voice, quorum: bool = True, generation: int = 1) -> dict[str, GatewayReport]:
    return {
        "bard-gateway-0": GatewayReport(
            storyteller="bard", config_generation=generation, voices=list(voices), quorum=quorum
        )
    }


YES, NO = Voice(name="jester", answers=True), Voice(name="jester", answers=False, message="silent")
OTHER = Voice(name="chronicler", answers=True)


def test_makes_a_gateway_that_may_read_two_config_maps_and_nothing_else() -> None:
    result = plan(observe(storyteller()), NOW)
    assert [obj["kind"] for obj in result.apply] == [
        "ServiceAccount",
        "Role",
        "RoleBinding",
        "ConfigMap",
        "Service",
        "StatefulSet",
    ]
    assert found(result, "Role")["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": ["bard-gateway", "narrators-routes"],
            "verbs": ["get", "list", "watch"],
        }
    ]
    assert condition(result).reason == "GatewayStarting"


@pytest.mark.parametrize(
    ("own", "worlds", "expected"),
    [
        (None, None, "Retain"),
        (None, "Delete", "Delete"),
        ("Retain", "Delete", "Retain"),
        ("Delete", "Retain", "Delete"),
    ],
)
def test_volumes_follow_the_own_policy_then_the_worlds(
    own: str | None, worlds: str | None, expected: str
) -> None:
    spec: Object = {"deletionPolicy": own} if own else {}
    more: Object = {}
    if worlds:
        spec["worldRef"] = "emberfall"
        more["world"] = world(deletionPolicy=worlds)
    result = plan(observe(storyteller(**spec), **more), NOW)
    policy = found(result, "StatefulSet")["spec"]["persistentVolumeClaimRetentionPolicy"]
    assert policy["whenDeleted"] == expected


@pytest.mark.parametrize(
    ("spec", "seen", "reason", "words"),
    [
        ({"worldRef": "emberfall"}, {}, "WorldNotFound", "spec.worldRef names World emberfall"),
        ({}, {"ensemble": None}, "ModelEnsembleNotFound", "spec.ensembleRef names ModelEnsemble"),
        (
            {"persona": {"configMapRef": {"name": "voice"}}},
            {},
            "ConfigMapNotFound",
            "spec.persona.configMapRef names ConfigMap voice",
        ),
        (
            {"persona": {"configMapRef": {"name": "voice", "key": "b"}}},
            {"config_maps": {"voice": {"data": {"a": "text"}}}},
            "ConfigMapKeyNotFound",
            "names key b of ConfigMap voice, which has a",
        ),
        (
            {"persona": {"configMapRef": {"name": "voice"}}},
            {"config_maps": {"voice": {"data": {"a": "x", "b": "y"}}}},
            "ConfigMapKeyNotFound",
            "set key",
        ),
    ],
)
def test_what_is_missing_is_named_and_nothing_is_made(
    spec: Object, seen: Object, reason: str, words: str
) -> None:
    result = plan(observe(storyteller(**spec), **seen), NOW)
    assert result.apply == ()
    assert condition(result).reason == reason
    assert words in condition(result).message
    assert condition(result, "Reconciling").status == "True"


def test_persona_and_lore_reach_the_gateway() -> None:
    made = storyteller(worldRef="emberfall", persona={"configMapRef": {"name": "voice"}})
    maps = {"voice": {"data": {"p": "Speak low."}}, "lore": {"data": {"l": "It burns."}}}
    place = world(title="Emberfall", lore={"configMapRef": {"name": "lore"}})
    result = plan(observe(made, world=place, config_maps=maps), NOW)
    config = json.loads(found(result, "ConfigMap")["data"]["gateway.json"])
    assert config["persona"] == "Speak low."
    assert config["lore"] == "It burns."
    assert config["title"] == "Emberfall"


def test_keys_are_mounted_as_optional_files() -> None:
    result = plan(observe(storyteller(), ensemble=ensemble(hosted("oracle"))), NOW)
    pod = found(result, "StatefulSet")["spec"]["template"]["spec"]
    keys = next(volume for volume in pod["volumes"] if volume["name"] == "keys")
    secret = keys["projected"]["sources"][0]["secret"]
    assert secret["optional"] is True
    assert secret["items"] == [{"key": "api-key", "path": "oracle/api-key"}]


@pytest.mark.parametrize(
    ("voices", "quorum", "status", "reason"),
    [
        ((YES, OTHER), True, "True", "AllMembersAnswer"),
        ((NO, OTHER), True, "True", "QuorumAnswers"),
        ((NO, OTHER), False, "False", "QuorumLost"),
        ((NO,), False, "False", "NoMemberAnswers"),
        ((), False, "False", "NoMemberAnswers"),
    ],
)
def test_readiness_is_what_the_gateway_hears(
    voices: tuple[Voice, ...], quorum: bool, status: str, reason: str
) -> None:
    result = plan(
        observe(storyteller(), pods=(RUNNING,), reports=report(*voices, quorum=quorum)), NOW
    )
    assert (condition(result).status, condition(result).reason) == (status, reason)


def test_a_gateway_that_reports_before_it_serves_is_not_ready() -> None:
    result = plan(observe(storyteller(), reports=report(YES, OTHER)), NOW)
    assert condition(result).reason == "GatewayStarting"


def test_a_gateway_that_does_not_report_is_not_ready() -> None:
    result = plan(observe(storyteller(), pods=(RUNNING,)), NOW)
    assert condition(result).reason == "GatewaySilent"


def test_a_missing_key_is_named_from_the_spec() -> None:
    voice = Voice(name="oracle", answers=False, reason="MissingKey", message="whatever it says")
    seen = observe(
        storyteller(),
        ensemble=ensemble(hosted("oracle")),
        pods=(RUNNING,),
        reports=report(voice, OTHER),
    )
    result = plan(seen, NOW)
    assert condition(result).reason == "SecretNotFound"
    assert "kubectl create secret generic oracle-key" in condition(result).message
    assert "whatever" not in condition(result).message


def test_a_report_of_an_older_spec_does_not_make_it_ready() -> None:
    result = plan(
        observe(storyteller(), pods=(RUNNING,), reports=report(YES, OTHER, generation=0)), NOW
    )
    assert condition(result).reason == "GatewayConfiguring"


def test_more_replicas_than_the_store_allows_are_held_back_and_said() -> None:
    made = storyteller(worldRef="emberfall", replicas=3)
    result = plan(observe(made, world=world(), pods=(RUNNING,), reports=report(YES, OTHER)), NOW)
    assert found(result, "StatefulSet")["spec"]["replicas"] == 1
    assert condition(result, "Stalled").reason == "SingleReplicaStore"
    assert "set spec.replicas to 1" in condition(result, "Stalled").message


def test_planning_twice_gives_the_same_objects() -> None:
    first = plan(observe(storyteller()), NOW)
    again = plan(observe(storyteller(), children=live(first)), NOW)
    assert first.apply == again.apply


def test_retained_volumes_are_named_when_it_is_gone() -> None:
    def claim(name: str, **meta: Any) -> Object:
        return {"metadata": {"name": name, **meta}}

    gone = StorytellerGone(
        "bard",
        "play",
        (
            claim("data-bard-gateway-0"),
            claim("owned", ownerReferences=[{"uid": "x"}]),
            claim("leaving", deletionTimestamp="now"),
        ),
    )
    (event,) = farewell(gone, NOW).events
    assert event.reason == "VolumesRetained"
    assert "stay: data-bard-gateway-0." in event.message
    assert farewell(StorytellerGone("bard", "play"), NOW) == Plan()


def test_children_of_others_stall() -> None:
    first = plan(observe(storyteller()), NOW)
    service = found(first, "Service")
    bare = {**service, "metadata": {"name": service["metadata"]["name"], "namespace": "play"}}
    result = plan(observe(storyteller(), children=Children([bare])), NOW)
    assert condition(result).reason == "ChildConflict"
    assert "Service bard-gateway" in condition(result).message
