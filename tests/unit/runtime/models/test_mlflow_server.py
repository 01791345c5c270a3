"""Resolving and fetching from a real MLflow server, in `make test-peers`."""

import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from yarl import URL

from runtime.models import tree
from runtime.models.claim import Claim
from runtime.models.mlflow import Registry
from runtime.models.problems import ModelError
from runtime.models.resolve import resolve
from runtime.models.web import Web, session
from tests.unit.runtime.stubs.mlflow import Server, mlflow_server

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with mlflow_server(tmp_path_factory.mktemp("mlflow"), "127.0.0.1", port) as made:
        yield made


def model(folder: Path, **files: bytes) -> str:
    """A folder with a model. Returns its digest."""
    (folder / "flavour data").mkdir(parents=True)
    bodies = {"model.gguf": b"GGUF", "flavour data/notes 1.txt": b"notes", **files}
    for path, body in bodies.items():
        (folder / path).write_bytes(body)
    return tree.digest({path: hashlib.sha256(body).hexdigest() for path, body in bodies.items()})


async def test_an_alias_is_followed_from_version_to_version(server: Server, tmp_path: Path) -> None:
    first = model(tmp_path / "one")
    second = model(tmp_path / "two", extra=b"more")
    one = server.publish("bard", tmp_path / "one", "champion")
    async with session() as connections:
        registry = Registry(Web(connections), URL(server.url))
        report = await resolve(registry, "mlflow:bard@champion")
        assert (report.version, report.digest) == (one, first)
        two = server.publish("bard", tmp_path / "two", "champion")
        report = await resolve(registry, "mlflow:bard@champion")
        assert (report.version, report.digest) == (two, second)
        server.move("bard", "champion", one)
        assert (await resolve(registry, "mlflow:bard@champion")).digest == first
        files = await registry.files(await registry.version(f"mlflow:bard/{two}"))
        await Claim(tmp_path / "claim", 1000).fill(files, second, single=False)
        with pytest.raises(ModelError) as caught:
            await resolve(registry, "mlflow:bard@nobody")
    assert caught.value.problem == "NotFound"
    fetched = tmp_path / "claim/model/flavour data/notes 1.txt"
    assert fetched.read_bytes() == b"notes"
