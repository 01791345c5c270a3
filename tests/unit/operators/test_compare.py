"""What the API server makes of an object is no reason to apply it again; what a person makes of it
is."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.plan import Object
from controllers.stamp import APPLIED, stamped
from operators.compare import difference, stands

DEPLOYMENT: Object = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "sage", "labels": {"app": "sage"}, "ownerReferences": [{"uid": "1"}]},
    "spec": {
        "replicas": 1,
        "template": {
            "spec": {
                "containers": [
                    {
                        "name": "engine",
                        "args": ["--parallel", "2"],
                        "env": [{"name": "HOME", "value": "/tmp"}, {"name": "EMPTY", "value": ""}],
                        "ports": [{"name": "http", "containerPort": 8080}],
                        "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}},
                    }
                ],
                "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "1024Mi"}}],
                "tolerations": [{"key": "gpu", "operator": "Exists"}],
            }
        },
    },
}


def live() -> Object:
    """DEPLOYMENT as an API server returns it."""
    obj = copy.deepcopy(stamped(DEPLOYMENT))
    obj["metadata"] |= {"uid": "u", "resourceVersion": "7", "generation": 1}
    obj["metadata"]["labels"]["added-by"] = "somebody"
    spec = obj["spec"]
    spec["strategy"] = {"type": "RollingUpdate"}
    pod = spec["template"]["spec"]
    pod["restartPolicy"] = "Always"
    engine = pod["containers"][0]
    engine["env"][1].pop("value")
    engine["env"].reverse()
    engine["ports"][0]["protocol"] = "TCP"
    engine["resources"]["limits"] = {"cpu": "1", "memory": "1Gi"}
    pod["volumes"][0]["emptyDir"]["sizeLimit"] = "1Gi"
    pod["volumes"].insert(0, {"name": "injected", "emptyDir": {}})
    obj["status"] = {"readyReplicas": 1}
    return obj


def test_defaults_quantities_and_additions_of_others_are_no_difference() -> None:
    assert difference(stamped(DEPLOYMENT), live()) is None


def engine(obj: Object) -> Any:
    return obj["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda o: o["spec"].update(replicas=2), ".spec.replicas"),
        (lambda o: o["metadata"]["labels"].update(app="x"), ".metadata.labels.app"),
        (lambda o: o["metadata"].pop("ownerReferences"), ".metadata.ownerReferences"),
        (lambda o: engine(o)["args"].append("--x"), "containers[engine].args"),
        (lambda o: engine(o)["args"].reverse(), "containers[engine].args[0]"),
        (lambda o: engine(o)["env"].clear(), "containers[engine].env[HOME]"),
        (lambda o: engine(o)["ports"][0].update(containerPort=1), "ports[8080]"),
        (lambda o: engine(o)["resources"]["limits"].update(cpu="2"), "limits.cpu"),
        (lambda o: engine(o).update(name="other"), "containers[engine]"),
        (lambda o: o["spec"]["template"]["spec"]["tolerations"].append({}), "tolerations"),
        (lambda o: o["metadata"]["annotations"].pop(APPLIED), APPLIED),
    ],
)
def test_a_change_by_somebody_else_is_found_and_named(change: Any, path: str) -> None:
    obj = live()
    change(obj)
    found = difference(stamped(DEPLOYMENT), obj)
    assert found is not None
    assert path in found


def test_a_field_that_is_no_longer_said_is_noticed_by_the_digest() -> None:
    less = copy.deepcopy(DEPLOYMENT)
    del less["spec"]["template"]["spec"]["tolerations"]
    assert not stands(stamped(less), live())


def test_a_number_is_not_a_truth_value() -> None:
    assert difference({"a": 1}, {"a": True}) == ".a"
    assert difference({"a": 0}, {"a": False}) == ".a"


def test_quantities_are_compared_by_value_only_where_they_stand() -> None:
    assert difference({"requests": {"cpu": 1}}, {"requests": {"cpu": "1"}}) is None
    assert difference({"requests": {"cpu": "x"}}, {"requests": {"cpu": "1"}}) is not None
    assert difference({"args": ["1Gi"]}, {"args": ["1024Mi"]}) is not None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)


@given(st.dictionaries(st.text(min_size=1, max_size=4), json_values, max_size=4))
def test_an_object_that_came_back_as_it_was_stands(spec: dict[str, Any]) -> None:
    obj = stamped({"kind": "X", "metadata": {"name": "x"}, "spec": spec})
    assert stands(obj, copy.deepcopy(obj))


@given(
    st.dictionaries(st.sampled_from("abc"), st.integers(1, 3), min_size=1),
    st.dictionaries(st.sampled_from("abc"), st.integers(1, 3)),
)
def test_it_stands_exactly_when_every_field_does(
    desired: dict[str, int], found: dict[str, int]
) -> None:
    assert stands(desired, found) == (desired.items() <= found.items())
