"""A World with tunables has a service that serves them; one without has nothing."""

import json
from typing import Any

import pytest

from controllers.observed import WorldObserved
from controllers.plan import Children, Object, Plan
from controllers.world import plan
from crds.config import CONFIG_KEY, WorldConfig
from tests.unit.controllers.builders import DEFAULTS, NOW, condition, live, metadata, world

GOLD = {"name": "quest-gold", "type": "Integer", "default": "120"}
NAME = "emberfall-config"


def seen(children: Children | None = None, **spec: Any) -> WorldObserved:
    spec = {"tunables": [GOLD], **spec}
    return WorldObserved(world(**spec), DEFAULTS, children=children or Children())


def made(result: Plan, kind: str) -> Object:
    return next(obj for obj in result.apply if obj["kind"] == kind)


def pod(result: Plan) -> Object:
    found: Object = made(result, "Deployment")["spec"]["template"]["spec"]
    return found


def test_a_world_without_tunables_makes_nothing() -> None:
    result = plan(seen(tunables=[]), NOW)
    assert (result.apply, result.delete) == ((), ())
    assert result.status is not None
    assert "config" not in result.status.dump()


def test_everything_belongs_to_the_world_and_carries_its_name() -> None:
    result = plan(seen(), NOW)
    kinds = [obj["kind"] for obj in result.apply]
    assert kinds == [
        "ServiceAccount",
        "Role",
        "RoleBinding",
        "ConfigMap",
        "Service",
        "PodDisruptionBudget",
        "Deployment",
    ]
    for obj in result.apply:
        assert obj["metadata"]["name"] == NAME
        assert obj["metadata"]["ownerReferences"][0]["uid"] == "w-1"
        assert obj["metadata"]["labels"]["fabula.dev/world"] == "emberfall"


def test_it_may_read_its_own_config_map_and_nothing_else() -> None:
    (rule,) = made(plan(seen(), NOW), "Role")["rules"]
    assert rule["resources"] == ["configmaps"]
    assert rule["resourceNames"] == [NAME]
    assert rule["verbs"] == ["get", "list", "watch"]


def test_it_runs_under_the_restricted_policy_from_the_gateways_image() -> None:
    template = pod(plan(seen(), NOW))
    (container,) = template["containers"]
    assert container["image"] == DEFAULTS.gateway_image
    assert container["command"] == ["python3", "-m", "runtime.config"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert template["securityContext"]["runAsNonRoot"]
    assert template["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}


def test_the_service_selects_its_pods() -> None:
    result = plan(seen(), NOW)
    labels = made(result, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert made(result, "Service")["spec"]["selector"].items() <= labels.items()


def test_the_config_map_says_all_that_the_service_needs() -> None:
    asked = {"apiKeysSecretRef": {"name": "keys"}, "perKeyPerMinute": 600, "replicas": 3}
    origins = {"cors": {"origins": ["https://play.example"]}}
    result = plan(seen(config=asked | origins), NOW)
    config = WorldConfig.model_validate_json(made(result, "ConfigMap")["data"][CONFIG_KEY])
    assert [each.default for each in config.tunables] == ["120"]
    assert (config.world, config.generation, config.replicas) == ("emberfall", 1, 3)
    assert config.per_key_per_minute == 600
    assert config.cors_origins == ("https://play.example",)
    assert config.api_keys_dir is not None
    assert result.status is not None
    assert result.status.dump()["config"]["digest"] == config.digest


def test_keys_are_mounted_whether_they_exist_or_not() -> None:
    template = pod(plan(seen(config={"apiKeysSecretRef": {"name": "keys"}}), NOW))
    (volume,) = (each for each in template["volumes"] if each["name"] == "api-keys")
    assert volume["projected"]["sources"] == [{"secret": {"name": "keys", "optional": True}}]
    assert "keys" not in json.dumps(pod(plan(seen(), NOW)))


def test_a_new_value_restarts_no_pod() -> None:
    before, after = plan(seen(), NOW), plan(seen(tunables=[GOLD | {"default": "140"}]), NOW)
    assert made(before, "Deployment") == made(after, "Deployment")
    assert made(before, "ConfigMap") != made(after, "ConfigMap")


def test_the_status_says_what_games_read_and_where() -> None:
    result = plan(seen(), NOW)
    assert condition(result).reason == "ConfigStarting"
    assert condition(result, "Reconciling").status == "True"
    assert result.again_in is not None
    after = plan(seen(live(result, ready=lambda _: 2)), NOW)
    assert condition(after).status == "True"
    assert "2 of 2 pods serve 1 tunables" in condition(after).message
    assert after.again_in is None
    assert after.status is not None
    said = after.status.dump()
    assert said["tunables"] == [{"name": "quest-gold", "value": "120", "source": "Default"}]
    assert said["config"]["url"] == f"http://{NAME}.play.svc.cluster.local:8080"
    assert said["config"]["ready"] == "2/2"


def test_one_of_two_pods_is_enough_to_be_ready() -> None:
    after = plan(seen(live(plan(seen(), NOW), ready=lambda _: 1)), NOW)
    assert condition(after).status == "True"
    assert "1 of 2 pods" in condition(after).message


def test_a_pod_that_cannot_run_is_named() -> None:
    waiting = {"reason": "ImagePullBackOff"}
    stuck = {
        "metadata": {"name": "emberfall-config-1"},
        "status": {"containerStatuses": [{"image": "x", "state": {"waiting": waiting}}]},
    }
    observed = WorldObserved(world(tunables=[GOLD]), DEFAULTS, pods=(stuck,))
    assert condition(plan(observed, NOW)).reason == "ImageUnavailable"


@pytest.mark.parametrize("name", ["Deployment", "Service"])
def test_a_child_of_somebody_else_is_never_taken(name: str) -> None:
    foreign = {"kind": name, "apiVersion": "v1", "metadata": {"name": NAME, "uid": "x"}}
    result = plan(seen(Children([foreign])), NOW)
    assert condition(result).reason == "ChildConflict"
    assert name not in [obj["kind"] for obj in result.apply]


def test_without_its_last_tunable_what_runs_is_taken_down() -> None:
    children = live(plan(seen(), NOW))
    result = plan(seen(children, tunables=[]), NOW)
    assert [each.ref.kind for each in result.delete] == [
        "Deployment",
        "Service",
        "PodDisruptionBudget",
    ]


def test_with_one_replica_no_budget_keeps_nodes_from_being_emptied() -> None:
    children = live(plan(seen(), NOW))
    result = plan(seen(children, config={"replicas": 1}), NOW)
    assert [each.ref.kind for each in result.delete] == ["PodDisruptionBudget"]
    assert "PodDisruptionBudget" not in [obj["kind"] for obj in result.apply]


def test_a_tunable_that_cannot_be_served_stalls_the_world_and_not_the_others() -> None:
    broken = {"name": "loot", "type": "Object", "default": "{ore: 3}"}
    first = plan(seen(tunables=[GOLD, broken]), NOW)
    result = plan(seen(live(first), tunables=[GOLD, broken]), NOW)
    assert condition(result).reason == "TunableInvalid"
    assert condition(result, "Stalled").status == "True"
    config = WorldConfig.model_validate_json(made(result, "ConfigMap")["data"][CONFIG_KEY])
    assert [each.name for each in config.tunables] == ["quest-gold"]


def test_a_world_that_is_deleted_is_left_to_garbage_collection() -> None:
    raw = {
        "metadata": metadata("emberfall", "w-1") | {"deletionTimestamp": "2026-11-23T12:00:00Z"},
        "spec": {"tunables": [GOLD]},
    }
    gone = WorldObserved(type(world()).parse(raw), DEFAULTS)
    assert plan(gone, NOW) == Plan()
