"""What tests on a real cluster share: the cluster itself, and Fabula installed in it by Helm."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import devcluster

ROOT = Path(__file__).parents[1]
CHART = ROOT / "charts" / "fabula"
NAMESPACE = "fabula-system"
RELEASE = "fabula"
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
    """Run helm against the cluster: its output, or an AssertionError with its words."""

    def run(*arguments: str | Path) -> str:
        command = [str(argument) for argument in ("helm", *arguments)]
        done = subprocess.run(
            cluster.argv(*command),
            env=cluster.env,
            capture_output=True,
            text=True,
            timeout=HELM_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def install(helm: Helm) -> Callable[..., None]:
    """Install or upgrade Fabula with `key=value` settings."""

    def run(*settings: str) -> None:
        arguments = [argument for setting in settings for argument in ("--set", setting)]
        helm(
            "upgrade", "--install", RELEASE, CHART, "--namespace", NAMESPACE, "--create-namespace",
            *arguments,
        )  # fmt: skip

    return run
