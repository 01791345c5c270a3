"""What a Storyteller becomes, and what it says of its members."""

import json
from typing import Any

import pytest

from controllers.observed import StorytellerGone, StorytellerObserved
from controllers.plan import Children, Object, Plan
from controllers.storyteller import farewell, plan
from crds.gateway import GatewayReport, StoreReport
from crds.storyteller import Storyteller, Voice
from runtime.gateway.settings import Settings
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


def test_the_service_speaks_http_and_grpc() -> None:
    made = plan(observe(storyteller()), NOW)
    ports = {port["name"]: port["port"] for port in found(made, "Service")["spec"]["ports"]}
    assert ports == {"http": 8080, "grpc": 9090}
    (container,) = found(made, "StatefulSet")["spec"]["template"]["spec"]["containers"]
    assert {port["name"]: port["containerPort"] for port in container["ports"]} == ports
    assert Settings.model_fields["grpc_port"].default == ports["grpc"]


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


def test_what_may_be_answered_from_memory_reaches_the_gateway() -> None:
    quiet = json.loads(
        found(plan(observe(storyteller()), NOW), "ConfigMap")["data"]["gateway.json"]
    )
    assert "cache" not in quiet
    made = storyteller(cache={"exact": {"ttlMinutes": 30}})
    config = json.loads(found(plan(observe(made), NOW), "ConfigMap")["data"]["gateway.json"])
    assert config["cache"] == {"exact": {"ttlMinutes": 30}}


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
    said = condition(result, "Stalled").message
    assert "set spec.stores.hot.redis of World emberfall, or set spec.replicas to 1" in said


HOT = {"stores": {"hot": {"redis": {"addressSecretRef": {"name": "redis", "key": "url"}}}}}


SHARED = StoreReport(kind="Redis")


def on_redis(*voices: Voice, **more: Any) -> dict[str, GatewayReport]:
    return {
        name: told.model_copy(update={"store": SHARED})
        for name, told in report(*voices, **more).items()
    }


def test_the_one_gateway_moves_its_sessions_before_more_run() -> None:
    before = plan(shared(pods=(RUNNING,), reports=report(YES, OTHER)), NOW)
    assert found(before, "StatefulSet")["spec"]["replicas"] == 1
    assert "FABULA_REDIS_URL_FILE" in str(found(before, "StatefulSet"))
    after = plan(shared(pods=(RUNNING,), reports=on_redis(YES, OTHER)), NOW)
    assert found(after, "StatefulSet")["spec"]["replicas"] == 3


def test_while_the_one_gateway_restarts_over_the_hot_store_no_other_is_begun() -> None:
    """Another would know no session until those of the one have moved."""
    one = live(plan(observe(storyteller(worldRef="emberfall", replicas=3), world=world()), NOW))
    silent = plan(shared(children=one), NOW)
    assert found(silent, "StatefulSet")["spec"]["replicas"] == 1
    away = StoreReport(kind="Redis", reason="Unreachable")
    moving = {name: told.model_copy(update={"store": away}) for name, told in on_redis(YES).items()}
    assert (
        found(plan(shared(children=one, reports=moving), NOW), "StatefulSet")["spec"]["replicas"]
        == 1
    )
    three = live(plan(shared(), NOW))
    assert found(plan(shared(children=three), NOW), "StatefulSet")["spec"]["replicas"] == 3


def shared(replicas: int = 3, **more: Any) -> StorytellerObserved:
    return observe(storyteller(worldRef="emberfall", replicas=replicas), world=world(**HOT), **more)


def test_with_a_hot_store_all_gateways_run_and_are_kept_apart() -> None:
    result = plan(shared(), NOW)
    pods = found(result, "StatefulSet")["spec"]
    assert pods["replicas"] == 3
    assert pods["podManagementPolicy"] == "Parallel"
    (spread,) = pods["template"]["spec"]["topologySpreadConstraints"]
    assert spread["whenUnsatisfiable"] == "ScheduleAnyway"
    assert found(result, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_the_address_of_the_hot_store_is_an_optional_file_and_nothing_else() -> None:
    pod = found(plan(shared(), NOW), "StatefulSet")["spec"]["template"]["spec"]
    volume = next(each for each in pod["volumes"] if each["name"] == "hot-store")
    assert volume["projected"]["sources"] == [
        {
            "secret": {
                "name": "redis",
                "optional": True,
                "items": [{"key": "url", "path": "url"}],
            }
        }
    ]
    (container,) = pod["containers"]
    env = {each["name"]: each["value"] for each in container["env"]}
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    assert env["FABULA_REDIS_URL_FILE"] == f"{mounts['hot-store']}/url"
    assert env["FABULA_REDIS_SECRET"] == "redis/url"
    assert env["FABULA_PEERS"] == "bard-gateway-peers.play.svc.cluster.local:8080"


def test_replicas_find_each_other_before_they_are_ready() -> None:
    result = plan(shared(), NOW)
    (peers,) = [obj for obj in result.apply if obj["metadata"]["name"] == "bard-gateway-peers"]
    assert peers["spec"]["clusterIP"] == "None"
    assert peers["spec"]["publishNotReadyAddresses"] is True


def test_more_replicas_restart_none_of_those_that_run() -> None:
    one, three = (found(plan(shared(n), NOW), "StatefulSet")["spec"] for n in (1, 3))
    assert one["template"] == three["template"]
    assert (
        one["serviceName"]
        == found(plan(observe(storyteller()), NOW), "StatefulSet")["spec"]["serviceName"]
    )


def test_what_only_several_gateways_need_goes_when_there_is_one() -> None:
    several = live(plan(shared(), NOW))
    assert plan(shared(children=several), NOW).delete == ()
    alone = plan(shared(1, children=several), NOW)
    assert [gone.ref.kind for gone in alone.delete] == ["PodDisruptionBudget"]
    leave = {"request": {"action": "LeaveSessions", "id": "one"}}
    embedded = plan(observe(storyteller(leave), children=several), NOW)
    assert {(gone.ref.kind, gone.ref.name) for gone in embedded.delete} == {
        ("Service", "bard-gateway-peers"),
        ("PodDisruptionBudget", "bard-gateway"),
    }


def test_what_somebody_else_made_under_these_names_is_left_alone() -> None:
    stranger = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "bard-gateway-peers", "namespace": "play", "uid": "x"},
    }
    assert plan(observe(storyteller(), children=Children([stranger])), NOW).delete == ()


def test_gateways_that_are_still_starting_are_counted() -> None:
    result = plan(shared(pods=(RUNNING,), reports=on_redis(YES, OTHER)), NOW)
    assert (condition(result).status, condition(result).reason) == ("True", "AllMembersAnswer")
    assert "1 of 3 gateways are ready" in condition(result).message
    assert condition(result, "Reconciling").status == "True"


@pytest.mark.parametrize(
    ("reason", "said", "expected", "words"),
    [
        ("MissingSecret", "whatever it says", "SecretNotFound", "create secret generic redis"),
        ("Unreachable", "no connection", "StoreUnreachable", "no connection; mend Redis"),
    ],
)
def test_a_hot_store_that_cannot_be_used_is_named(
    reason: Any, said: str, expected: str, words: str
) -> None:
    store = StoreReport(kind="Redis", reason=reason, message=said)
    reports = {
        name: told.model_copy(update={"store": store}) for name, told in report(YES, OTHER).items()
    }
    result = plan(shared(reports=reports), NOW)
    assert (condition(result).status, condition(result).reason) == ("False", expected)
    assert words in condition(result).message
    assert "whatever" not in condition(result).message


def test_the_gateways_are_told_how_long_a_story_stays_in_mind() -> None:
    made = storyteller(sessions={"contextTokens": 4096, "handover": "Truncate"})
    config = json.loads(found(plan(observe(made), NOW), "ConfigMap")["data"]["gateway.json"])
    assert config["sessions"] == {
        "contextTokens": 4096,
        "handover": "Truncate",
        "expireAfterHours": 72,
    }


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


def with_prompts(refused: str | None, *texts: str) -> Plan:
    made = storyteller(prompts={"configMapRef": {"name": "words"}})
    found = {"words": {"data": dict.fromkeys(texts, "...")}} if texts else {}
    heard = report(YES, OTHER)
    heard = {
        pod: each.model_copy(update={"prompts_refused": refused}) for pod, each in heard.items()
    }
    return plan(observe(made, config_maps=found, pods=(RUNNING,), reports=heard), NOW)


def test_the_templates_of_a_config_map_are_handed_on() -> None:
    made = found(with_prompts(None, "user.j2"), "ConfigMap")
    assert json.loads(made["data"]["gateway.json"])["prompts"] == {"user.j2": "..."}


def test_templates_that_are_not_there_are_waited_for() -> None:
    assert condition(with_prompts(None), "Ready").reason == "ConfigMapNotFound"


def test_templates_that_a_gateway_refuses_are_said_and_stop_nothing() -> None:
    result = with_prompts("user.j2:3: qestion is not known here", "user.j2")
    ready = condition(result, "Ready")
    assert (ready.status, ready.reason) == ("True", "PromptsRefused")
    assert "ConfigMap words is not used" in ready.message
    assert "user.j2:3: qestion" in ready.message
    assert condition(result, "Stalled").status == "True"
