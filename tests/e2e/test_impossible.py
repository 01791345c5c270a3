"""What the API server accepts and the cluster cannot do ends in Stalled, in words that help."""

import pytest

from tests.e2e import worlds
from tests.e2e.kube import Kube, Object, until

LIMITS = {"limits": {"memory": "64Mi"}, "requests": {"memory": "128Mi"}}


@pytest.mark.parametrize(
    ("more", "reason", "words"),
    [
        ({"resources": LIMITS}, "Refused", "must be less than or equal to memory limit"),
        ({"nodeSelector": {"moon": "full"}}, "Unschedulable", "correct nodeSelector"),
        ({"modelCache": {"claimName": "no-such"}}, "Unschedulable", "no-such"),
        ({"runtimeClassName": "no-such"}, "PodRefused", "no-such"),
        ({"scaling": {"minReplicas": 0}}, "AllStopped", "raise it for one"),
    ],
)
def test_a_member_that_cannot_run(kube: Kube, more: Object, reason: str, words: str) -> None:
    kube.apply(worlds.world(), worlds.ensemble(worlds.engine("one", **more)))
    kube.says("me", "chorus", reason, words)
    assert kube.condition("me", "chorus", "Stalled")["status"] == "True"


def test_more_gateways_than_the_store_allows(kube: Kube) -> None:
    kube.apply(
        worlds.world(), worlds.ensemble(worlds.engine("one")), worlds.storyteller(replicas=3)
    )
    kube.says("st", "shepherd", "SingleReplicaStore", "set spec.replicas to 1", 90)
    assert len(kube.pods("app.kubernetes.io/name=gateway")) == 1


def test_a_child_that_somebody_else_made_is_left_alone(kube: Kube) -> None:
    ports = [{"port": 80}]
    theirs = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "shepherd-gateway"}}
    kube.apply({**theirs, "spec": {"ports": ports}})
    kube.apply(*worlds.whole())
    kube.says("st", "shepherd", "ChildConflict", "Service shepherd-gateway")
    assert kube.get("service", "shepherd-gateway")["spec"]["ports"][0]["port"] == 80
    kube.delete("service", "shepherd-gateway")
    until("it heals", lambda: kube.condition("st", "shepherd").get("status") == "True", 90)
