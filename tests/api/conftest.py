"""A namespace on an API server where the CRDs and the status policy are installed."""

import time
from collections.abc import Iterator

import pytest

import devcluster
from cli.install import upgrade
from tests.api.examples import WORLD
from tests.api.server import Server, connect

POLICY_SECONDS = 60


@pytest.fixture(scope="package")
def server(cluster: devcluster.Cluster) -> Iterator[Server]:
    """The API server with Fabula's API and no operator, and a namespace that goes away before
    other tests install one."""
    upgrade(cluster, {"operator.replicas": "0"})
    with connect(cluster, f"api-tests-{time.time_ns()}") as server:
        made = server.call("POST", "/api/v1/namespaces", {"metadata": {"name": server.namespace}})
        assert made.accepted, made.message
        try:
            _await_kinds(server)
            yield server
        finally:
            server.call("DELETE", f"/api/v1/namespaces/{server.namespace}")


def _await_kinds(server: Server) -> None:
    """The API server serves new kinds and compiles their rules a moment after they are made."""
    until = time.monotonic() + POLICY_SECONDS
    while not (answer := server.check(WORLD)).accepted:
        assert time.monotonic() < until, answer.message
        time.sleep(0.1)
