"""What the chart's roles allow, asked of the API server itself."""

import pytest

from tests.api.server import Server

OPERATOR = "system:serviceaccount:fabula-system:fabula-operator"
GROUPS = ["system:serviceaccounts", "system:serviceaccounts:fabula-system", "system:authenticated"]


def may(
    server: Server, verb: str, what: str, *, namespace: str | None = None, name: str = ""
) -> bool:
    """Whether the operator may do this, for example `get apps/deployments`."""
    group, _, resource = what.rpartition("/") if what.count("/") else ("", "", what)
    resource, _, subresource = resource.partition(":")
    answer = server.call(
        "POST",
        "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        {
            "spec": {
                "user": OPERATOR,
                "groups": GROUPS,
                "resourceAttributes": {
                    "verb": verb,
                    "group": group,
                    "resource": resource,
                    "subresource": subresource,
                    "namespace": server.namespace if namespace is None else namespace,
                    "name": name,
                },
            }
        },
    )
    assert answer.accepted, answer.message
    return bool(answer.body["status"]["allowed"])


CHILDREN = [
    "apps/deployments",
    "apps/statefulsets",
    "apps/controllerrevisions",
    "services",
    "configmaps",
    "persistentvolumeclaims",
    "serviceaccounts",
    "batch/jobs",
    "policy/poddisruptionbudgets",
    "rbac.authorization.k8s.io/roles",
    "rbac.authorization.k8s.io/rolebindings",
]


#: What it takes down itself when a member changes; the rest goes by garbage collection.
TAKEN_DOWN = {
    "apps/deployments",
    "apps/controllerrevisions",
    "services",
    "batch/jobs",
    "policy/poddisruptionbudgets",
}


@pytest.mark.parametrize("what", CHILDREN)
@pytest.mark.parametrize("verb", ["get", "list", "create", "patch"])
def test_the_operator_makes_its_children(server: Server, verb: str, what: str) -> None:
    assert may(server, verb, what)


@pytest.mark.parametrize("what", CHILDREN)
def test_the_operator_deletes_nothing_that_holds_data_or_rights(server: Server, what: str) -> None:
    assert may(server, "delete", what) == (what in TAKEN_DOWN)


@pytest.mark.parametrize(
    ("verb", "what"),
    [
        ("get", "secrets"),
        ("list", "secrets"),
        ("watch", "secrets"),
        ("create", "secrets"),
        ("create", "pods"),
        ("create", "pods:exec"),
        ("delete", "pods"),
        ("delete", "persistentvolumeclaims"),
        ("update", "persistentvolumeclaims"),
        ("patch", "fabula.dev/worlds"),
        ("update", "fabula.dev/storytellers"),
        ("delete", "fabula.dev/modelensembles"),
        ("patch", "fabula.dev/evolutionexperiments"),
        ("escalate", "rbac.authorization.k8s.io/roles"),
        ("bind", "rbac.authorization.k8s.io/roles"),
        ("bind", "rbac.authorization.k8s.io/clusterroles"),
        ("create", "rbac.authorization.k8s.io/clusterroles"),
        ("deletecollection", "configmaps"),
        ("create", "serviceaccounts:token"),
        ("impersonate", "users"),
        ("patch", "nodes"),
        ("get", "namespaces"),
        ("list", "apiextensions.k8s.io/customresourcedefinitions"),
    ],
)
def test_the_operator_may_not(server: Server, verb: str, what: str) -> None:
    assert not may(server, verb, what)


def test_the_operator_has_its_own_lease_and_no_other(server: Server) -> None:
    leases = "coordination.k8s.io/leases"
    home = "fabula-system"
    for verb in ("get", "update", "patch"):
        assert may(server, verb, leases, namespace=home, name="fabula-operator")
        assert not may(server, verb, leases, namespace=home, name="another")
        assert not may(server, verb, leases, namespace="kube-system", name="fabula-operator")
    assert may(server, "create", leases, namespace=home)
    assert not may(server, "delete", leases, namespace=home, name="fabula-operator")


def test_the_operator_can_grant_a_gateway_two_config_maps_and_no_secret(server: Server) -> None:
    operator = server.acting_as(OPERATOR, *GROUPS)
    roles = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{server.namespace}/roles"

    def grant(name: str, resource: str, *verbs: str) -> int:
        rule = {
            "apiGroups": [""],
            "resources": [resource],
            "resourceNames": ["one", "two"],
            "verbs": list(verbs),
        }
        body = {"metadata": {"name": name}, "rules": [rule]}
        return operator.call("POST", roles, body, dryRun="All").status

    assert grant("gateway", "configmaps", "get", "list", "watch") == 201
    assert grant("thief", "secrets", "get") == 403
    assert grant("writer", "configmaps", "update") == 403
