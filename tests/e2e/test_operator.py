"""The operator at rest, restarted, and asked."""

import json
from collections.abc import Callable

import pytest

from cli.install import NAMESPACE, install
from cli.run import run
from devcluster import Cluster, Progress
from tests.e2e import worlds
from tests.e2e.audit import Audit
from tests.e2e.kube import Kube, until

OPERATOR = f"system:serviceaccount:{NAMESPACE}:fabula-operator"


LABEL = "app.kubernetes.io/name=fabula-operator"


def operator_pods(cluster: Cluster) -> list[str]:
    listed = run(
        [
            *("kubectl", "-n", NAMESPACE, "get", "pods", "-l", LABEL),
            *("--field-selector=status.phase=Running", "-o", "json"),
        ],
        cluster.env,
        timeout=30,
    )
    return [pod["metadata"]["name"] for pod in json.loads(listed)["items"]]


def reconciles(cluster: Cluster) -> float:
    """Looks that the operator has taken, by its own metric."""
    (pod,) = operator_pods(cluster)
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}:8080/proxy/metrics"
    text = run(["kubectl", "get", "--raw", path], cluster.env, timeout=30)
    rows = [row for row in text.splitlines() if row.startswith("fabula_reconcile_seconds_count")]
    return sum(float(row.rsplit(" ", 1)[1]) for row in rows)


def quiet(cluster: Cluster, kube: Kube, looks: int) -> list[str]:
    """Writes of the operator in a namespace while it looks so many times."""
    audit = Audit.now(cluster.audit_log)
    start = reconciles(cluster)
    until("the operator looks", lambda: reconciles(cluster) >= start + looks, 120)
    return audit.writes(OPERATOR, kube.namespace)


def test_an_idle_world_is_not_written_to(fabula: Cluster, kube: Kube) -> None:
    kube.apply(*worlds.whole())
    kube.ready()
    until("nothing more to write", lambda: not quiet(fabula, kube, 2), 120)
    assert quiet(fabula, kube, 4) == []


def test_the_same_yaml_again_makes_no_writes(fabula: Cluster, kube: Kube) -> None:
    kube.apply(*worlds.whole())
    kube.ready()
    until("nothing more to write", lambda: not quiet(fabula, kube, 2), 120)
    audit = Audit.now(fabula.audit_log)
    kube.apply(*worlds.whole())
    quiet(fabula, kube, 2)
    assert audit.writes(OPERATOR, kube.namespace) == []


def restart(cluster: Cluster) -> None:
    kubectl = ["kubectl", "-n", NAMESPACE]
    run([*kubectl, "rollout", "restart", "deployment/fabula-operator"], cluster.env, timeout=30)
    run(
        [*kubectl, "rollout", "status", "deployment/fabula-operator", "--timeout=120s"],
        cluster.env,
        timeout=150,
    )


def upgrade(cluster: Cluster) -> None:
    """To an operator whose default engine is another image."""
    install(cluster, Progress(print), {"images.engine": "fabula.dev/engine:dev"})


@pytest.mark.parametrize("change", [restart, upgrade])
def test_a_changed_operator_restarts_no_model(
    fabula: Cluster, kube: Kube, change: Callable[[Cluster], None]
) -> None:
    kube.apply(*worlds.whole())
    kube.ready()
    before = kube.engines()
    change(fabula)
    until("one operator", lambda: len(operator_pods(fabula)) == 1)
    kube.kubectl(
        *("patch", "st", "shepherd", "--subresource=status", "--type=merge", "-p"),
        json.dumps({"status": {"request": {"action": "Reconcile", "id": "after"}}}),
    )
    until(
        "the request is answered",
        lambda: kube.get("st", "shepherd")["status"].get("lastRequest", {}).get("id"),
    )
    kube.ready()
    assert kube.engines() == before
    if change is upgrade:
        install(fabula, Progress(print))


def test_events_tell_what_happened(kube: Kube) -> None:
    kube.apply(*worlds.whole())
    kube.ready()
    served = until("an event for each member", lambda: len(kube.events("MemberServing")) >= 3)
    assert served
    assert kube.events("MembersReady")[0]["involvedObject"]["name"] == "chorus"
