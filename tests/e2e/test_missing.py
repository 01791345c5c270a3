"""What is missing is named, and heals by itself when it appears."""

from tests.e2e import worlds
from tests.e2e.kube import Kube


def test_a_missing_world(kube: Kube) -> None:
    kube.apply(worlds.ensemble(), worlds.storyteller())
    for kind, name in (("me", "chorus"), ("st", "shepherd")):
        assert "World meadow" in kube.says(kind, name, "WorldNotFound")
    kube.apply(worlds.world())
    kube.ready()


def test_a_missing_ensemble(kube: Kube) -> None:
    kube.apply(worlds.world(), worlds.storyteller())
    assert "ModelEnsemble chorus" in kube.says("st", "shepherd", "ModelEnsembleNotFound")
    kube.apply(worlds.ensemble())
    kube.ready()


def test_missing_texts(kube: Kube) -> None:
    lore = {"configMapRef": {"name": "lore", "key": "text"}}
    persona = {"configMapRef": {"name": "voice"}}
    kube.apply(worlds.world(lore=lore), worlds.ensemble(), worlds.storyteller(persona=persona))
    assert "ConfigMap voice" in kube.says("st", "shepherd", "ConfigMapNotFound")
    assert "ConfigMap lore" in kube.says("world", "meadow", "ConfigMapNotFound")
    kube.apply(worlds.config_map("voice", p="Speak low."), worlds.config_map("lore", other="x"))
    assert "key text" in kube.says("st", "shepherd", "ConfigMapKeyNotFound")
    kube.apply(worlds.config_map("lore", text="Grass, to the horizon."))
    kube.ready()


def test_a_missing_secret(kube: Kube) -> None:
    kube.apply(
        worlds.world(),
        worlds.ensemble(worlds.engine("one"), worlds.engine("two"), worlds.hosted("oracle")),
        worlds.storyteller(),
    )
    message = kube.says("st", "shepherd", "SecretNotFound")
    assert "kubectl create secret generic oracle-key" in message
    kube.kubectl("create", "secret", "generic", "oracle-key", "--from-literal=api-key=s3cr3t-word")
    kube.kubectl("wait", "st/shepherd", "--for=condition=Ready", "--timeout=150s", timeout=180)
    everything = kube.kubectl("get", "me,st,events,cm", "-o", "yaml")
    assert "s3cr3t-word" not in everything


def test_a_missing_image(kube: Kube) -> None:
    bad = worlds.engine("one", image="fabula.dev/engine:never-built")
    kube.apply(worlds.world(), worlds.ensemble(bad, worlds.engine("two")), worlds.storyteller())
    assert "fabula.dev/engine:never-built" in kube.says("me", "chorus", "ImageUnavailable", 90)
    assert kube.condition("me", "chorus", "Stalled")["status"] == "True"
    kube.apply(worlds.ensemble(worlds.engine("one"), worlds.engine("two")))
    kube.ready()
