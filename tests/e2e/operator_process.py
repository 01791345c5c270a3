"""An operator as a process inside the cluster's network, with the rights of the installed one, so
that a test can kill it where it likes."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from cli.install import NAMESPACE, ROOT
from cli.run import run
from devcluster import Cluster
from tests.e2e.kube import until

ACCOUNT = "fabula-operator"


@dataclass(frozen=True)
class OperatorProcess:
    """A running operator. `url` answers /readyz and /metrics inside the cluster's network."""

    process: subprocess.Popen[bytes]
    log: Path
    port: int
    cluster: Cluster
    inside: bool = True

    def kill(self) -> None:
        """End it without a chance to say goodbye."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def ended(self, seconds: float = 60) -> int:
        """Its exit status."""
        return self.process.wait(seconds)

    def lines(self) -> list[dict[str, object]]:
        """Its log."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line[:1] == "{"]

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        address = f"http://127.0.0.1:{self.port}/metrics"
        curl = ("curl", "-fsS", "--max-time", "5", address)
        text = run(self.cluster.argv(*curl) if self.inside else curl, os.environ, timeout=10)
        rows = [
            line.rsplit(" ", 1) for line in text.splitlines() if re.match(rf"{name}[ {{]", line)
        ]
        return sum(float(value) for _, value in rows)


def service_account_kubeconfig(
    cluster: Cluster,
    path: Path,
    server: str | None = None,
    *,
    namespace: str = NAMESPACE,
    account: str = ACCOUNT,
) -> Path:
    """A kubeconfig with an account's identity, by default that of the installed operator.

    Args:
        cluster: the cluster.
        path: where to write it.
        server: another address of the API server, for a proxy in between.
        namespace, account: whose.
    """
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    token = run(
        ["kubectl", "-n", namespace, "create", "token", account, "--duration=8h"],
        cluster.env,
        timeout=30,
    ).strip()
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    if server:
        config["clusters"][0]["cluster"]["server"] = server
    path.write_text(yaml.safe_dump(config))
    path.chmod(0o600)
    return path


@contextmanager
def operator(
    cluster: Cluster,
    kubeconfig: Path,
    folder: Path,
    namespace: str,
    *,
    identity: str = "test",
    port: int = 18080,
    inside: bool = True,
    env: Mapping[str, str] | None = None,
) -> Iterator[OperatorProcess]:
    """Run an operator for one namespace until the block ends.

    Args:
        inside: in the cluster's network, where it reaches pods; else in this machine's.
    """
    command = [str(ROOT / ".venv/bin/python"), "-m", "operators"]
    images = installed_images(cluster)
    settings = {
        "KUBECONFIG": str(kubeconfig),
        "FABULA_NAMESPACES": namespace,
        "FABULA_LEASE_NAMESPACE": NAMESPACE,
        "FABULA_IDENTITY": identity,
        "FABULA_PORT": str(port),
        **images,
        **(env or {}),
    }
    number = len(list(folder.glob("operator-*.log")))
    log = folder / f"operator-{number}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            cluster.argv(*command) if inside else command,
            cwd=ROOT,
            env=os.environ | settings,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    running = OperatorProcess(process, log, port, cluster, inside)
    try:
        yield running
    finally:
        running.kill()


def installed_images(cluster: Cluster) -> dict[str, str]:
    """The image settings of the installed operator."""
    found = run(
        ["kubectl", "-n", NAMESPACE, "get", "deployment", ACCOUNT, "-o", "json"],
        cluster.env,
        timeout=30,
    )
    (container,) = json.loads(found)["spec"]["template"]["spec"]["containers"]
    settings = {entry["name"]: entry.get("value", "") for entry in container["env"]}
    return {name: value for name, value in settings.items() if name.endswith("_IMAGE")}


@contextmanager
def installed_operator_stopped(cluster: Cluster) -> Iterator[None]:
    """No operator in the cluster while the block runs."""
    kubectl = ["kubectl", "-n", NAMESPACE]
    run([*kubectl, "scale", "deployment", ACCOUNT, "--replicas=0"], cluster.env, timeout=30)

    def pods() -> str:
        return run([*kubectl, "get", "pods", "-o", "name"], cluster.env, timeout=30)

    until("the installed operator is gone", lambda: not pods(), 60)
    try:
        yield
    finally:
        run([*kubectl, "scale", "deployment", ACCOUNT, "--replicas=1"], cluster.env, timeout=30)
        run(
            [*kubectl, "rollout", "status", f"deployment/{ACCOUNT}", "--timeout=120s"],
            cluster.env,
            timeout=150,
        )
