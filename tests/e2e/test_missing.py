"""What is missing is named, and heals by itself when it appears."""

from tests.e2e import worlds
from tests.e2e.kube import Kube


def test_a_missing_world(kube: Kube) -> None:
    kube.apply(worlds.ensemble(), worlds.storyteller())
    for kind, name in (("me", "chorus"), ("st", "shepherd")):
        kube.says(kind, name, "WorldNotFound", "World meadow")
    kube.apply(worlds.world())
    kube.ready()


def test_a_missing_ensemble(kube: Kube) -> None:
    kube.apply(worlds.world(), worlds.storyteller())
    kube.says("st", "shepherd", "ModelEnsembleNotFound", "ModelEnsemble chorus")
    kube.apply(worlds.ensemble())
    kube.ready()


def test_missing_texts(kube: Kube) -> None:
    lore = {"configMapRef": {"name": "lore", "key": "text"}}
    persona = {"configMapRef": {"name": "voice"}}
    kube.apply(worlds.world(lore=lore), worlds.ensemble(), worlds.storyteller(persona=persona))
    kube.says("st", "shepherd", "ConfigMapNotFound", "ConfigMap voice")
    kube.says("world", "meadow", "ConfigMapNotFound", "ConfigMap lore")
    kube.apply(worlds.config_map("voice", p="Speak low."), worlds.config_map("lore", other="x"))
    kube.says("st", "shepherd", "ConfigMapKeyNotFound", "key text")
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
    kube.says("me", "chorus", "ImageUnavailable", "fabula.dev/engine:never-built", 90)
    assert kube.condition("me", "chorus", "Stalled")["status"] == "True"
    kube.apply(worlds.ensemble(worlds.engine("one"), worlds.engine("two")))
    kube.ready()
