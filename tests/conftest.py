"""What tests on a real cluster share: the cluster itself, and helm for it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import devcluster
from cli.run import run

HELM_SECONDS = 180
#: The first start on a machine builds Kubernetes.
START_SECONDS = 1800
START = "import devcluster, sys; devcluster.up(sys.argv[1], say=print)"

Helm = Callable[..., str]


@pytest.fixture(scope="session")
def cluster() -> devcluster.Cluster:
    """The cluster of FABULA_TEST_CLUSTER (default fabula-test), started when it does not run.

    It is left running, so that the next test run starts in seconds; a process of its own starts
    it, since what outlives its parent looks like a leak to the interpreter that started it.
    """
    name = os.environ.get("FABULA_TEST_CLUSTER", "fabula-test")
    subprocess.run([sys.executable, "-c", START, name], timeout=START_SECONDS, check=True)
    found = devcluster.find(name)
    assert found is not None
    return found


@pytest.fixture(scope="session")
def helm(cluster: devcluster.Cluster) -> Helm:
    """Run helm against the cluster: its output, or a CommandError with its words."""

    def call(*arguments: str | Path) -> str:
        command = cluster.argv("helm", *map(str, arguments))
        return run(command, cluster.env, timeout=HELM_SECONDS)

    return call
