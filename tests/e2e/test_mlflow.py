"""A real MLflow beside a cluster: a moved alias rolls out, an absent server changes nothing."""

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import shelf, worlds
from tests.e2e.kube import Game, Kube, Object, until
from tests.unit.runtime.stubs.mlflow import Server, mlflow_server

pytestmark = [pytest.mark.peers, pytest.mark.timeout(900)]


@pytest.fixture
def registry(kube: Kube, tmp_path: Path) -> Iterator[Server]:
    """The server in the cluster's network, at the address of a node."""
    (node, *_) = kube.find("nodes")
    address = next(a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    home = tmp_path / "mlflow"
    home.mkdir()
    with mlflow_server(home, address, port, lambda command: kube.cluster.argv(*command)) as server:
        yield server


def world(server: Server) -> Object:
    return worlds.world(models={"mlflow": {"url": server.url, "pollSeconds": 10}})


def member(kube: Kube) -> Object:
    found = kube.get("me", "chorus").get("status", {}).get("members", [{}])
    return dict(found[0]) if found else {}


def folder(path: Path, notes: str) -> Path:
    """A version: the model, and what tells it from another."""
    path.mkdir()
    shutil.copyfile(shelf.model(), path / "model.gguf")
    (path / "notes.txt").write_text(notes)
    return path


def test_an_alias_is_followed_and_an_absent_registry_is_not_missed(
    kube: Kube, game: Game, registry: Server, tmp_path: Path
) -> None:
    one = registry.publish("bard", folder(tmp_path / "one", "first"), "champion")
    model = {"uri": "mlflow:bard@champion", "sizeLimit": "256Mi"}
    engine = {"llamacpp": {"model": model}}
    kube.apply(
        world(registry),
        worlds.ensemble({"name": "one", "engine": engine}, consensus={"timeoutSeconds": 60}),
        worlds.storyteller(),
    )
    kube.ready(240)
    first = member(kube)
    assert first["model"]["version"] == one
    two = registry.publish("bard", folder(tmp_path / "two", "second"), "champion")
    until("the alias's new version serves",
          lambda: (m := member(kube)).get("model", {}).get("version") == two
          and m.get("serving") == m["revision"] != first["revision"],
          240, last=lambda: member(kube))  # fmt: skip
    assert kube.events("ModelResolved")
    registry.move("bard", "champion", one)
    # The first version's claim is still there: going back fetches nothing.
    until("going back", lambda: member(kube).get("serving") == first["revision"], 120)
    engines = kube.engines()
    kube.apply(worlds.world(models={"mlflow": {"url": "http://127.0.0.1:9", "pollSeconds": 10}}))
    until("its absence is told", lambda: "message" in member(kube)["model"], 120)
    kube.ready()
    assert kube.engines() == engines
    assert game.ask(game.session())["outcome"] == "Vote"
