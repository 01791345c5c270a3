"""What a name of MLflow means, and which files it has. A stub speaks its REST API here; the real
server is asked in test_mlflow_server.py."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from yarl import URL

from crds.models import ModelReport
from runtime.models import tree
from runtime.models.claim import Claim
from runtime.models.mlflow import Registry
from runtime.models.problems import ModelError
from runtime.models.resolve import resolve
from runtime.models.web import Web, session

FILES = {"MLmodel": b"flavors: {}", "artifacts/model.gguf": b"GGUF..."}
DIGEST = tree.digest({path: hashlib.sha256(body).hexdigest() for path, body in FILES.items()})
API = "/api/2.0/mlflow"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"


class Stub:
    """A registry with one model, `bard`, whose alias `champion` is version 3."""

    def __init__(self) -> None:
        self.version: dict[str, Any] = {"name": "bard", "version": "3", "status": "READY"}
        self.root = "mlflow-artifacts:/1/models/m-1/artifacts"
        self.files = dict(FILES)
        self.downloads = 0

    async def named(self, request: web.Request) -> web.Response:
        if request.query.get("alias", "champion") != "champion":
            return web.json_response({"error_code": "INVALID_PARAMETER_VALUE"}, status=400)
        return web.json_response({"model_version": self.version})

    async def where(self, _: web.Request) -> web.Response:
        return web.json_response({"artifact_uri": self.root})

    async def listed(self, request: web.Request) -> web.Response:
        below = request.query["path"].removeprefix("1/models/m-1/artifacts").strip("/")
        inside = [path for path in self.files if path.startswith(f"{below}/" if below else "")]
        rest = {path.removeprefix(below).strip("/").partition("/") for path in inside}
        found = {head: bool(slash) for head, slash, _ in rest}
        return web.json_response({"files": [{"path": n, "is_dir": d} for n, d in found.items()]})

    async def file(self, request: web.Request) -> web.Response:
        self.downloads += 1
        path = request.match_info["path"].removeprefix("1/models/m-1/artifacts/")
        return web.Response(body=self.files[path])

    @asynccontextmanager
    async def registry(self) -> AsyncIterator[Registry]:
        app = web.Application()
        app.router.add_get(f"{API}/registered-models/alias", self.named)
        app.router.add_get(f"{API}/model-versions/get", self.named)
        app.router.add_get(f"{API}/model-versions/get-download-uri", self.where)
        app.router.add_get(ARTIFACTS, self.listed)
        app.router.add_get(f"{ARTIFACTS}/{{path:.*}}", self.file)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            async with session() as connections:
                url = URL(f"http://127.0.0.1:{runner.addresses[0][1]}")
                yield Registry(Web(connections), url)
        finally:
            await runner.cleanup()


async def test_an_alias_means_a_version_and_the_digest_of_its_files() -> None:
    async with Stub().registry() as registry:
        report = await resolve(registry, "mlflow:bard@champion")
    assert (report.version, report.digest) == ("3", DIGEST)


async def test_a_digest_in_a_tag_saves_reading_the_files() -> None:
    stub = Stub()
    stub.version["tags"] = [{"key": "fabula.digest", "value": DIGEST}]
    async with stub.registry() as registry:
        assert (await resolve(registry, "mlflow:bard/3")).digest == DIGEST
    assert stub.downloads == 0


async def test_a_known_version_is_not_read_again_and_another_one_is() -> None:
    stub = Stub()
    async with stub.registry() as registry:
        known = ModelReport(version="3", digest=DIGEST)
        assert await resolve(registry, "mlflow:bard@champion", known) == known
        assert stub.downloads == 0
        old = ModelReport(version="2", digest=f"sha256:{'0' * 64}")
        assert (await resolve(registry, "mlflow:bard@champion", old)).digest == DIGEST


async def test_the_files_of_a_version_are_put_where_they_belong(tmp_path: Path) -> None:
    async with Stub().registry() as registry:
        files = await registry.files(await registry.version("mlflow:bard/3"))
        await Claim(tmp_path, 1000).fill(files, DIGEST, single=False)
    for path, body in FILES.items():
        assert (tmp_path / "model" / path).read_bytes() == body


async def test_a_wrong_tag_is_found_when_the_files_are_fetched(tmp_path: Path) -> None:
    async with Stub().registry() as registry:
        files = await registry.files(await registry.version("mlflow:bard/3"))
        with pytest.raises(ModelError) as caught:
            await Claim(tmp_path, 1000).fill(files, f"sha256:{'0' * 64}", single=False)
    assert caught.value.problem == "DigestMismatch"
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("change", "problem", "words"),
    [
        ({"tags": [{"key": "fabula.digest", "value": "md5:1"}]}, "Unusable", "correct or remove"),
        ({"status": "PENDING_REGISTRATION"}, "Unreachable", "not ready"),
        ({"version": "../3"}, "Refused", "no number"),
    ],
)
async def test_an_odd_version_is_told(change: Any, problem: str, words: str) -> None:
    stub = Stub()
    stub.version |= change
    async with stub.registry() as registry:
        with pytest.raises(ModelError, match=words) as caught:
            await resolve(registry, "mlflow:bard@champion")
    assert caught.value.problem == problem


async def test_an_alias_that_is_not_there_is_not_found() -> None:
    async with Stub().registry() as registry:
        with pytest.raises(ModelError, match="knows no bard@challenger") as caught:
            await resolve(registry, "mlflow:bard@challenger")
    assert caught.value.problem == "NotFound"


async def test_files_elsewhere_are_not_followed() -> None:
    stub = Stub()
    stub.root = "file:///etc"
    async with stub.registry() as registry:
        with pytest.raises(ModelError, match="--artifacts-destination"):
            await resolve(registry, "mlflow:bard@champion")


async def test_a_name_cannot_lead_out_of_the_folder() -> None:
    stub = Stub()
    stub.files = {"..": b"x"}
    async with stub.registry() as registry:
        with pytest.raises(ModelError) as caught:
            await resolve(registry, "mlflow:bard@champion")
    assert caught.value.problem == "Unusable"
