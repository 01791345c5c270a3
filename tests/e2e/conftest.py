"""Fabula installed on the test cluster, and a namespace a test."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.install import NAMESPACE, install
from cli.run import run
from devcluster import Cluster, Progress
from tests.e2e.kube import Game, Kube, api_proxy, namespace
from tests.e2e.operator_process import installed_operator_stopped, service_account_kubeconfig


@pytest.fixture(scope="session")
def fabula(cluster: Cluster) -> Iterator[Cluster]:
    """The test cluster with the operator running. Whatever the tests did to it, its log holds no
    traceback in the end."""
    install(cluster, Progress(print))
    yield cluster
    log = run(
        ["kubectl", "-n", NAMESPACE, "logs", "deployment/fabula-operator"], cluster.env, timeout=60
    )
    assert [line for line in log.splitlines() if "Traceback" in line] == []


@pytest.fixture
def kube(fabula: Cluster, request: pytest.FixtureRequest) -> Iterator[Kube]:
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:50].strip("-")
    with namespace(fabula, name) as made:
        yield made


@pytest.fixture(scope="module")
def alone(fabula: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A kubeconfig of the operator's own account, with no other operator running."""
    path = tmp_path_factory.mktemp("alone") / "kubeconfig"
    with installed_operator_stopped(fabula):
        yield service_account_kubeconfig(fabula, path)


@pytest.fixture(scope="session")
def api(fabula: Cluster) -> Iterator[str]:
    """The API server's address for programs without credentials."""
    with api_proxy(fabula) as address:
        yield address


@pytest.fixture
def game(kube: Kube, api: str) -> Game:
    return Game(kube, "shepherd", api)
