"""The chart as Helm renders it: what is installed with which values, and what is refused."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from cli.install import CHART, NAMESPACE, RELEASE
from cli.run import CommandError
from crds import KINDS
from operators.settings import Settings
from tests.api.examples import Object
from tests.conftest import Helm

#: Helm's own idea of a version, when it renders without a cluster, is too old for the chart.
VERSION = "1.37.0"

Render = Callable[..., list[Object]]


@pytest.fixture(scope="session")
def render(helm: Helm) -> Render:
    """The manifests for these `key=value` settings, CRDs left out unless asked for."""

    def run(*settings: str) -> list[Object]:
        arguments = ["--set", "crds.install=false"]
        arguments += [part for setting in settings for part in ("--set", setting)]
        text = helm(
            "template", RELEASE, CHART, "-n", NAMESPACE, "--kube-version", VERSION, *arguments
        )
        return [document for document in yaml.safe_load_all(text) if document]

    return run


def of(kind: str, manifests: list[Object]) -> list[Object]:
    return [each for each in manifests if each["kind"] == kind]


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, child in value.items():
            yield str(key)
            yield from strings(child)
    elif isinstance(value, list):
        for child in value:
            yield from strings(child)
    else:
        yield str(value)


def test_lint_finds_nothing(helm: Helm) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", CHART)


@pytest.mark.parametrize("namespaces", ["", "watch.namespaces={games,arena}"])
def test_no_role_has_a_wildcard_or_secrets(render: Render, namespaces: str) -> None:
    manifests = render(*filter(None, [namespaces]))
    roles = of("Role", manifests) + of("ClusterRole", manifests)
    assert roles
    for role in roles:
        assert "*" not in set(strings(role["rules"]))
        assert "secrets" not in set(strings(role["rules"]))


def test_all_namespaces_need_one_cluster_role(render: Render) -> None:
    manifests = render("rbac.aggregate=false")
    assert [role["metadata"]["name"] for role in of("ClusterRole", manifests)] == [
        "fabula-operator"
    ]
    assert [role["metadata"]["name"] for role in of("Role", manifests)] == [
        "fabula-operator-leadership"
    ]


def test_named_namespaces_need_no_cluster_wide_permission(render: Render) -> None:
    manifests = render("watch.namespaces={games,arena}", "rbac.aggregate=false")
    assert not of("ClusterRole", manifests)
    assert not of("ClusterRoleBinding", manifests)
    where = [(role["metadata"]["namespace"], len(role["rules"])) for role in of("Role", manifests)]
    assert [namespace for namespace, _ in where] == ["games", "arena", NAMESPACE]
    bindings = of("RoleBinding", manifests)
    assert {subject["namespace"] for each in bindings for subject in each["subjects"]} == {
        NAMESPACE
    }
    (binding,) = of("ValidatingAdmissionPolicyBinding", manifests)
    selector = binding["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"][0]
    assert selector["values"] == ["games", "arena"]


def test_both_ways_hold_the_same_rules(render: Render) -> None:
    (cluster_role,) = of("ClusterRole", render("rbac.aggregate=false"))
    role = of("Role", render("watch.namespaces={games}"))[0]
    assert role["rules"] == cluster_role["rules"]


def test_the_operator_pod_is_restricted(render: Render) -> None:
    (deployment,) = of("Deployment", render())
    pod = deployment["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]
    assert {"livenessProbe", "readinessProbe", "startupProbe"} <= container.keys()


def test_the_operator_understands_every_setting(
    render: Render, monkeypatch: pytest.MonkeyPatch
) -> None:
    (deployment,) = of(
        "Deployment",
        render(
            "watch.namespaces={games,arena}",
            "images.tag=v9",
            "operator.logLevel=debug",
            "prometheus.allowed={http://a:9090,https://b/prom}",
        ),
    )
    environment = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    for variable in environment:
        monkeypatch.setenv(variable["name"], variable.get("value", "from-the-pod"))
    settings = Settings()
    assert settings.namespaces == ("games", "arena")
    assert settings.prometheus_allowed == ("http://a:9090", "https://b/prom")
    assert settings.engine_image == "fabula.dev/engine:v9"
    assert settings.gateway_image == "fabula.dev/gateway:v9"
    assert settings.log_level == "debug"
    assert settings.identity == settings.lease_namespace == "from-the-pod"
    known = {f"FABULA_{name.upper()}" for name in Settings.model_fields} | {"POD_NAME"}
    assert {variable["name"] for variable in environment} <= known


@pytest.mark.parametrize(
    ("value", "image"),
    [
        ("fabula.dev/operator", "fabula.dev/operator:dev"),
        ("mirror.local:5000/operator", "mirror.local:5000/operator:dev"),
        ("mirror.local:5000/operator:v2", "mirror.local:5000/operator:v2"),
        ("a/b@sha256:" + "0" * 64, "a/b@sha256:" + "0" * 64),
    ],
)
def test_an_image_has_the_common_tag_unless_it_says_better(
    render: Render, value: str, image: str
) -> None:
    (deployment,) = of("Deployment", render(f"images.operator={value}"))
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == image


@pytest.mark.parametrize(("replicas", "budgets"), [(0, 0), (1, 0), (2, 1)])
def test_several_operators_have_a_disruption_budget(
    render: Render, replicas: int, budgets: int
) -> None:
    manifests = render(f"operator.replicas={replicas}")
    assert len(of("PodDisruptionBudget", manifests)) == budgets


@pytest.mark.parametrize(("keep", "policy"), [("true", "keep"), ("false", None)])
def test_worlds_survive_an_uninstall_unless_told_otherwise(
    render: Render, keep: str, policy: str | None
) -> None:
    manifests = render("crds.install=true", f"crds.keep={keep}")
    definitions = of("CustomResourceDefinition", manifests)
    assert len(definitions) == len(KINDS)
    for crd in definitions:
        annotations = crd["metadata"].get("annotations", {})
        assert annotations.get("helm.sh/resource-policy") == policy


@pytest.mark.parametrize(
    ("setting", "kind"),
    [
        ("metrics.enabled=false", "Service"),
        ("admission.enabled=false", "ValidatingAdmissionPolicy"),
        ("rbac.create=false", "RoleBinding"),
        ("serviceAccount.create=false,serviceAccount.name=mine", "ServiceAccount"),
    ],
)
def test_a_part_can_be_left_to_somebody_else(render: Render, setting: str, kind: str) -> None:
    assert of(kind, render())
    assert not of(kind, render(setting))


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("operator.cpu=1", "'cpu' not allowed"),
        ("replicas=2", "'replicas' not allowed"),
        ("operator.replicas=two", "got string, want integer"),
        ("operator.replicas=-1", "minimum: got -1, want 0"),
        ("watch.namespaces=games", "got string, want array"),
        ("watch.namespaces={Games}", "does not match pattern"),
        ("prometheus.allowed={http://me:secret@prometheus:9090}", "does not match pattern"),
        ("images.pullPolicy=Sometimes", "must be one of"),
        ("operator.logLevel=loud", "must be one of"),
        ("images.operator=my image", "does not match pattern"),
        ("crds.keep=maybe", "got string, want boolean"),
        ("serviceAccount.create=false", "must name an existing ServiceAccount"),
    ],
)
def test_a_wrong_value_is_refused(render: Render, setting: str, words: str) -> None:
    with pytest.raises(CommandError, match=words):
        render(setting)


def test_every_value_is_documented_and_has_a_schema() -> None:
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    def check(path: str, value: Object, node: Object) -> None:
        properties = node["properties"].keys() - {"global"}
        assert properties == value.keys(), path
        for name, child in node["properties"].items():
            if "properties" in child and name != "resources":
                check(f"{path}.{name}", value[name], child)

    check("values", values, schema)
    readme = (CHART / "README.md").read_text()
    for section, children in values.items():
        for name in children if isinstance(children, dict) else [""]:
            assert f"`{section}.{name}`".replace(".`", "`") in readme


@pytest.mark.usefixtures("server")
def test_the_notes_teach_the_next_commands(helm: Helm) -> None:
    notes = helm("get", "notes", RELEASE, "-n", NAMESPACE)
    assert "kubectl apply -f examples/emberfall/world" in notes
    assert "rollout status deployment/fabula-operator" in notes
