"""Variants of a member become pods, routes and words as members do, without a cluster."""

import json
from datetime import timedelta
from typing import Any

import pytest

from controllers.ensemble import plan
from controllers.observed import EnsembleObserved
from controllers.plan import Children, Object, Plan
from controllers.storyteller.workload import stateful_set
from crds.ensemble import ModelEnsemble, Serving
from crds.routes import RouteTable
from tests.unit.controllers.builders import (
    DEFAULTS,
    NOW,
    condition,
    ensemble,
    hosted,
    live,
    llamacpp,
    storyteller,
)

NONE = {"minReplicas": 0}


def quick(name: str = "quick", accuracy: str = "0.95", **more: Any) -> Object:
    return llamacpp(name, accuracy=accuracy, relativeCost="0.1", **more)


def chorus(*variants: Object, spec: Object | None = None, **member: Any) -> ModelEnsemble:
    """An ensemble of one member with these variants."""
    return ensemble(llamacpp("jester", variants=list(variants), **member), **spec or {})


def decide(made: ModelEnsemble, children: Children | None = None, **more: Any) -> Plan:
    seen = EnsembleObserved(
        ensemble=made, defaults=DEFAULTS, children=children or Children(), **more
    )
    return plan(seen, NOW)


def settle(made: ModelEnsemble, children: Children | None = None) -> tuple[Plan, Children]:
    children = children or Children()
    for _ in range(4):
        result = decide(made, children)
        children = live(result, children)
    return result, children


def table(result: Plan) -> RouteTable:
    stored = next(obj for obj in result.apply if obj["metadata"]["name"] == "narrators-routes")
    return RouteTable.model_validate_json(stored["data"]["routes.json"])


def of(result: Plan, kind: str) -> list[Object]:
    return [obj for obj in result.apply if obj["kind"] == kind]


def test_each_variant_has_a_deployment_and_a_service_and_shares_the_budget() -> None:
    result = decide(chorus(quick(), quick("tiny")))
    names = [obj["metadata"]["name"].rsplit("-", 1)[0] for obj in of(result, "Deployment")]
    assert names == ["narrators-jester", "narrators-jester-quick", "narrators-jester-tiny"]
    assert len(of(result, "Service")) == len(of(result, "ControllerRevision")) == 3
    (budget,) = of(result, "PodDisruptionBudget")
    assert budget["spec"]["selector"]["matchLabels"]["fabula.dev/member"] == "jester"
    pods = [obj["spec"]["template"]["metadata"]["labels"] for obj in of(result, "Deployment")]
    assert {labels["fabula.dev/member"] for labels in pods} == {"jester"}
    selectors = [obj["spec"]["selector"] for obj in of(result, "Service")]
    assert len({json.dumps(selector, sort_keys=True) for selector in selectors}) == 3


def test_a_members_own_pods_know_nothing_of_its_variants() -> None:
    alone, _ = settle(ensemble(llamacpp("jester")))
    varied, _ = settle(chorus(quick()))
    for kind in ("ControllerRevision", "Deployment", "Service"):
        assert of(alone, kind)[0] == of(varied, kind)[0]


def test_the_route_carries_every_way_to_ask_the_member() -> None:
    rule = {"prefer": "Cost", "minimumAccuracy": "0.9"}
    made = chorus(quick(), hosted("cloud", accuracy="0.99", relativeCost="3"), weight=4)
    found = table(settle(made)[0])
    assert found.serving == Serving()
    (route,) = found.routes
    full, small, cloud = route.ways
    assert [way.variant for way in route.ways] == ["full", "quick", "cloud"]
    assert {way.weight for way in route.ways} == {4}
    assert len({way.revision for way in route.ways}) == 3
    assert (full.accuracy, small.accuracy, cloud.relative_cost) == ("1", "0.95", "3")
    assert full.url != small.url
    assert (cloud.url, cloud.engine, cloud.key_secret) == (None, "anthropic", "cloud-key")
    assert cloud.key_file == "/var/run/fabula/keys/jester.cloud/api-key"
    assert table(decide(chorus(quick(), spec={"serving": rule}))).serving.prefer == "Cost"


def test_the_keys_of_hosted_variants_are_mounted_beside_each_other() -> None:
    made = ensemble(hosted("oracle", variants=[hosted("mini", accuracy="0.9", relativeCost="0.1")]))
    made_for = stateful_set(storyteller(), made, "Retain", 1, None, DEFAULTS, [])
    volumes = made_for["spec"]["template"]["spec"]["volumes"]
    sources = next(volume for volume in volumes if volume["name"] == "keys")["projected"]["sources"]
    assert [source["secret"]["items"][0]["path"] for source in sources] == [
        "oracle/api-key",
        "oracle.mini/api-key",
    ]
    ways = table(decide(made)).routes[0].ways
    assert [way.key_file for way in ways] == [
        "/var/run/fabula/keys/oracle/api-key",
        "/var/run/fabula/keys/oracle.mini/api-key",
    ]


def test_a_hosted_member_may_have_a_variant_in_a_pod() -> None:
    result, _ = settle(ensemble(hosted("oracle", variants=[quick()])))
    assert [obj["metadata"]["name"][:23] for obj in of(result, "Deployment")] == [
        "narrators-oracle-quick-"
    ]
    assert len(of(result, "PodDisruptionBudget")) == 1
    assert condition(result).status == "True"


def test_editing_a_variant_rolls_only_the_variant() -> None:
    _, children = settle(chorus(quick()))
    before = {obj["metadata"]["name"] for obj in children.of("Deployment")}
    result = decide(chorus(quick(image="fabula.dev/engine:other")), children)
    new = [n for o in of(result, "Deployment") if (n := o["metadata"]["name"]) not in before]
    assert [name.rsplit("-", 1)[0] for name in new] == ["narrators-jester-quick"]
    old = table(result).routes[0].ways[1].revision
    assert any(name.endswith(old) for name in before), "it answers until the new one is ready"
    after = decide(chorus(quick(image="fabula.dev/engine:other")), live(result, children))
    assert new[0].endswith(table(after).routes[0].ways[1].revision)


def test_each_way_is_told_the_role_of_its_own_revision() -> None:
    _, children = settle(chorus(quick(), role="Joke."))
    before = {obj["metadata"]["name"] for obj in children.of("Deployment")}
    made = chorus(quick(), role="Do not joke.")
    result = decide(made, children)
    children = live(result, children, ready=lambda name: int(name in before or "quick" in name))
    ways = table(decide(made, children)).routes[0].ways
    assert [(way.variant, way.role) for way in ways] == [
        ("full", "Joke."),
        ("quick", "Do not joke."),
    ]


def test_a_price_is_that_of_the_model_which_is_asked() -> None:
    price = {"inputPerMillionUSD": "1", "outputPerMillionUSD": "2"}
    full, small = table(decide(chorus(quick(), price=price))).routes[0].ways
    assert full.price is not None
    assert small.price is None
    full, small = table(decide(chorus(quick(price=price)))).routes[0].ways
    assert full.price is None
    assert small.price is not None


def test_a_removed_variant_leaves_nothing_behind() -> None:
    _, children = settle(chorus(quick()))
    alone = ensemble(llamacpp("jester"))
    for later in (0, 11, 22):
        seen = EnsembleObserved(ensemble=alone, defaults=DEFAULTS, children=children)
        children = live(plan(seen, NOW + timedelta(seconds=later)), children)
    assert not [obj for obj in children if "fabula.dev/variant" in obj["metadata"]["labels"]]
    assert len(children.of("Deployment")) == 1


def test_history_is_kept_for_each_variant_apart() -> None:
    children = Children()
    now = NOW
    for number in range(9):
        made = chorus(quick(image=f"fabula.dev/engine:{number}"))
        for _ in range(4):
            seen = EnsembleObserved(ensemble=made, defaults=DEFAULTS, children=children)
            children = live(plan(seen, now), children)
            now += timedelta(seconds=11)
    stored = children.of("ControllerRevision")
    labels = [obj["metadata"]["labels"].get("fabula.dev/variant") for obj in stored]
    assert labels.count("quick") == 6
    assert labels.count(None) == 1


def test_a_stopped_member_is_answered_for_by_its_most_accurate_variant() -> None:
    made = chorus(quick("tiny", "0.9"), quick("small", "0.98"), scaling=NONE)
    result, _ = settle(made)
    (route,) = table(result).routes
    assert [way.variant for way in route.ways] == ["small", "tiny"]
    assert condition(result).message == "1 of 1 members can answer"


def test_a_member_is_stopped_when_every_way_is() -> None:
    made = chorus(quick(scaling=NONE), scaling=NONE)
    result, _ = settle(made)
    assert table(result).routes == []
    assert condition(result).reason == "AllStopped"


def test_a_variant_makes_a_member_answer_while_the_member_itself_starts() -> None:
    made = chorus(quick())
    first = decide(made)
    children = live(first, ready=lambda name: int("-quick-" in name))
    result = decide(made, children)
    assert condition(result).status == "True"
    assert condition(result).reason == "RollingOut"
    assert "jester: 0 of 1 replicas are ready" in condition(result).message
    assert result.status is not None
    (member,) = result.status.model_dump()["members"]
    assert (member["condition"], member["variants"][0]["condition"]) == ("Starting", "Serving")


def test_a_broken_variant_is_named_with_its_member() -> None:
    made = chorus(quick(image="no/such:image"))
    first = decide(made)
    labels = of(first, "Deployment")[1]["spec"]["template"]["metadata"]["labels"]
    waiting = {"state": {"waiting": {"reason": "ImagePullBackOff"}}, "ready": False}
    pod = {
        "metadata": {"name": "pod-1", "labels": labels},
        "status": {"containerStatuses": [{"image": "no/such:image", **waiting}]},
    }
    result = decide(made, live(first, ready=lambda n: int("-quick-" not in n)), pods=(pod,))
    assert condition(result).reason == "ImageUnavailable"
    assert condition(result).message.startswith("jester/quick: image no/such:image")
    assert result.status is not None
    assert result.status.model_dump()["members"][0]["variants"][0]["condition"] == "Failing"


def test_an_event_tells_which_variant_serves() -> None:
    made = chorus(quick())
    children = live(decide(made))
    told = [event.message for event in decide(made, children).events]
    assert any(message.startswith("jester/quick answers with revision") for message in told)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (None, "the most accurate variant that answers"),
        ({"prefer": "Cost"}, "the cheapest variant that answers"),
        (
            {"prefer": "Latency", "minimumAccuracy": "0.95"},
            "the quickest variant that answers with an accuracy of at least 0.95",
        ),
        (
            {"minimumAccuracy": "1", "targetMilliseconds": 9},
            "the most accurate variant that answers with an accuracy of at least 1 and within 9 ms",
        ),
    ],
)
def test_the_status_says_the_rule_in_words(rule: Object | None, words: str) -> None:
    made = chorus(quick(), spec={"serving": rule} if rule else {})
    status = decide(made).status
    assert status is not None
    assert status.model_dump()["serving"] == words


def test_without_variants_there_is_no_rule_to_tell() -> None:
    status = decide(ensemble()).status
    assert status is not None
    assert status.model_dump()["serving"] is None
