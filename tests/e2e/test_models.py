"""A model by uri is fetched once in the cluster, checked, and answers."""

import json
from pathlib import Path

import pytest

from cli.run import CommandError
from tests.e2e import handmade, shelf, worlds
from tests.e2e.kube import Game, Kube, Object, until


def voice(name: str, digest: str, **more: object) -> Object:
    """A member that loads the fetched model."""
    model = {"uri": shelf.uri(), "digest": digest, "sizeLimit": "256Mi"}
    return {"name": name, "engine": {"llamacpp": {"model": model}}, **more}


def ensemble(*members: Object) -> Object:
    """These models compute, on whatever cores are left."""
    return worlds.ensemble(*members, consensus={"timeoutSeconds": 60})


def member(kube: Kube, place: int = 0) -> Object:
    found = kube.get("me", "chorus").get("status", {}).get("members", [])
    return dict(found[place]) if len(found) > place else {}


def test_a_model_is_fetched_once_and_two_members_answer_with_it(kube: Kube, game: Game) -> None:
    shelf.run(kube)
    digest = shelf.digest()
    kube.apply(
        worlds.world(),
        ensemble(voice("one", digest), voice("two", digest, role="You doubt.")),
        worlds.storyteller(),
    )
    kube.ready(180)
    assert [member(kube, place)["model"]["digest"] for place in (0, 1)] == [digest, digest]
    (claim,) = kube.find("persistentvolumeclaims", "app.kubernetes.io/name=model")
    assert claim["metadata"]["ownerReferences"][0]["kind"] == "Job"
    assert len(kube.find("jobs")) == 1
    assert game.ask(game.session())["outcome"] == "Vote"
    (engine,) = kube.pods("fabula.dev/member=one")
    write = ("python3", "-c", "open('/models/fetched/x', 'w')")
    with pytest.raises(CommandError, match="Read-only file system"):
        kube.kubectl("exec", engine["metadata"]["name"], "--", *write)
    kube.delete("me/chorus")
    until("nothing of the models left", lambda: not kube.find("jobs,persistentvolumeclaims,pods",
          "app.kubernetes.io/name=model"))  # fmt: skip


def test_wrong_bytes_are_told_and_the_old_model_goes_on(kube: Kube, game: Game) -> None:
    shelf.run(kube)
    kube.apply(worlds.world(), ensemble(worlds.engine("one")), worlds.storyteller())
    kube.ready()
    before = kube.engines()["one"]
    kube.apply(ensemble(voice("one", f"sha256:{'0' * 64}")))
    said = kube.says("me", "chorus", "ModelNotFetched", "correct the digest", 90)
    assert shelf.digest() in said
    assert kube.condition("me", "chorus", "Stalled")["status"] == "True"
    assert kube.engines()["one"] == before
    assert game.ask(game.session())["outcome"] == "Vote"
    kube.apply(ensemble(voice("one", shelf.digest())))
    until("the fetched model serves", lambda: member(kube).get("condition") == "Serving", 120)
    kube.ready()
    until("the old pod goes", lambda: kube.engines().get("one") not in (None, before), 60)


def test_credentials_go_to_the_fetching_pod_and_nowhere_else(kube: Kube) -> None:
    shelf.run(kube)
    kube.kubectl("create", "secret", "generic", "shelf-token", "--from-literal=token=s3cr3t-word")
    one = voice("one", shelf.digest())
    one["engine"]["llamacpp"]["model"]["credentialsSecretRef"] = {"name": "shelf-token"}
    kube.apply(worlds.world(), ensemble(one))
    until("the fetched model serves", lambda: member(kube).get("condition") == "Serving", 120)
    everything = kube.kubectl("get", "me,jobs,pods,events,cm,controllerrevisions", "-o", "yaml")
    assert "s3cr3t-word" not in everything
    (engine,) = kube.pods("app.kubernetes.io/name=engine")
    assert "shelf-token" not in json.dumps(engine["spec"]["volumes"])


def test_an_image_is_mounted_and_answers(kube: Kube, game: Game, tmp_path: Path) -> None:
    layer = handmade.layer({"bard.gguf": shelf.model().read_bytes()})
    digest = handmade.load(kube.cluster, tmp_path, "fabula.dev/test-model", layer)
    model = {"uri": f"oci://fabula.dev/test-model@sha256:{digest}"}
    one = {"name": "one", "engine": {"llamacpp": {"model": model}}}
    kube.apply(worlds.world(), ensemble(one), worlds.storyteller())
    kube.ready(120)
    assert member(kube)["model"]["digest"] == f"sha256:{digest}"
    assert not kube.find("jobs,persistentvolumeclaims", "app.kubernetes.io/name=model")
    assert game.ask(game.session())["outcome"] == "Vote"
