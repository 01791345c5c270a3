"""Fabula installed on the test cluster, and a namespace a test."""

import re
from collections.abc import Iterator

import pytest

from cli.install import install
from devcluster import Cluster, Progress
from tests.e2e.kube import Game, Kube, api_proxy, namespace


@pytest.fixture(scope="session")
def fabula(cluster: Cluster) -> Cluster:
    """The test cluster with the operator running."""
    install(cluster, Progress(print))
    return cluster


@pytest.fixture
def kube(fabula: Cluster, request: pytest.FixtureRequest) -> Iterator[Kube]:
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:50].strip("-")
    with namespace(fabula, name) as made:
        yield made


@pytest.fixture(scope="session")
def api(fabula: Cluster) -> Iterator[str]:
    """The API server's address for programs without credentials."""
    with api_proxy(fabula) as address:
        yield address


@pytest.fixture
def game(kube: Kube, api: str) -> Game:
    return Game(kube, "shepherd", api)
