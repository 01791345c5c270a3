"""An operator that may see some namespaces works there and leaves the others alone.

It runs as a process here, with the token of the ServiceAccount that the chart made for it.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import devcluster
from cli.install import CHART, ROOT, upgrade
from tests.api.examples import ENSEMBLE, Object, changed
from tests.api.server import Server
from tests.conftest import Helm

RELEASE = "scoped"
HOME = "scoped-system"
USER = f"system:serviceaccount:{HOME}:{RELEASE}-operator"
SECONDS = 60


@pytest.fixture(scope="module")
def namespaces(server: Server) -> Iterator[tuple[Server, Server]]:
    """A namespace that the operator watches, and one that it does not."""
    names = [f"{server.namespace}-{which}" for which in ("inside", "outside")]
    for name in names:
        made = server.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        assert made.accepted, made.message
    inside, outside = (replace(server, namespace=name) for name in names)
    yield inside, outside
    for name in names:
        server.call("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="module")
def release(
    cluster: devcluster.Cluster, helm: Helm, namespaces: tuple[Server, Server]
) -> Iterator[None]:
    """A second release, for one namespace; the first one's policy lets its operator be."""
    inside, _ = namespaces
    upgrade(cluster, {"operator.replicas": "0", "admission.operatorUsers": f"{{{USER}}}"})
    helm(
        "upgrade", "--install", RELEASE, CHART, "-n", HOME, "--create-namespace",
        "--set", f"watch.namespaces={{{inside.namespace}}}",
        "--set", "crds.install=false", "--set", "rbac.aggregate=false",
        "--set", "operator.replicas=0",
    )  # fmt: skip
    yield
    helm("uninstall", RELEASE, "-n", HOME)
    inside.call("DELETE", f"/api/v1/namespaces/{HOME}")


@pytest.fixture(scope="module")
def log(
    cluster: devcluster.Cluster,
    namespaces: tuple[Server, Server],
    release: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Path]:
    """The running operator's log."""
    inside, _ = namespaces
    folder = tmp_path_factory.mktemp("operator")
    settings = {
        "KUBECONFIG": str(_kubeconfig(cluster, folder)),
        "FABULA_NAMESPACES": inside.namespace,
        "FABULA_LEASE_NAMESPACE": HOME,
        "FABULA_PORT": "0",
        "FABULA_LOG_LEVEL": "debug",
    }
    path = folder / "log"
    with (
        path.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-m", "operators"],
            cwd=ROOT,
            env=os.environ | settings,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            yield path
        finally:
            process.terminate()
            process.wait(SECONDS)


def _kubeconfig(cluster: devcluster.Cluster, folder: Path) -> Path:
    def kubectl(*arguments: str) -> str:
        return subprocess.run(
            ["kubectl", *arguments],
            env=cluster.env,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=True,
        ).stdout

    config = json.loads(kubectl("config", "view", "--raw", "--minify", "-o", "json"))
    token = kubectl("-n", HOME, "create", "token", f"{RELEASE}-operator").strip()
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    path.chmod(0o600)
    return path


def _await(what: Callable[[], bool], log: Path) -> None:
    until = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < until, log.read_text()[-4000:]
        time.sleep(0.1)


def test_it_works_where_it_may_and_nowhere_else(
    namespaces: tuple[Server, Server], log: Path
) -> None:
    inside, outside = namespaces
    ensemble = changed(ENSEMBLE, "metadata.name", "scoped")
    for server in (outside, inside):
        server.create(ensemble)

    def status(server: Server) -> Object:
        live = server.call("GET", server.path("modelensembles", "scoped")).body
        found: Object = live.get("status", {})
        return found

    _await(lambda: bool(status(inside).get("conditions")), log)
    made = inside.call("GET", f"/apis/apps/v1/namespaces/{inside.namespace}/deployments").body
    assert len(made["items"]) == len(ensemble["spec"]["members"])
    assert status(outside) == {}
    text = log.read_text()
    assert "Traceback" not in text
    assert "forbidden" not in text.lower()
    assert "cannot list" not in text.lower()


def test_its_account_may_nothing_elsewhere(namespaces: tuple[Server, Server], log: Path) -> None:
    inside, outside = namespaces
    groups = ("system:serviceaccounts", "system:authenticated")
    for server, may in ((inside, True), (outside, False)):
        acting = server.acting_as(USER, *groups)
        path = f"/api/v1/namespaces/{server.namespace}/configmaps"
        assert acting.call("GET", path).accepted is may
    everywhere = inside.acting_as(USER, *groups).call("GET", "/api/v1/configmaps")
    assert everywhere.status == 403
