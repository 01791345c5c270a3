"""A real MLflow server and its own client, from the environment that `make test-peers` makes."""

import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

REMEDY = "FABULA_MLFLOW names no MLflow; run these tests with: make test-peers"
START_SECONDS = 120
#: Job execution is 8 processes more, and telemetry calls out.
ENVIRONMENT = {
    **os.environ,
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
PUBLISH = """\
import sys
import mlflow
url, name, folder, alias = sys.argv[1:]
mlflow.set_tracking_uri(url)
client = mlflow.MlflowClient()
try:
    client.get_registered_model(name)
except mlflow.MlflowException:
    client.create_registered_model(name)
with mlflow.start_run() as run:
    mlflow.log_artifacts(folder, "model")
    source = mlflow.get_artifact_uri("model")
version = client.create_model_version(name, source, run.info.run_id).version
client.set_registered_model_alias(name, alias, version)
print("version", version)
"""
ALIAS = """\
import sys
import mlflow
url, name, alias, version = sys.argv[1:]
mlflow.set_tracking_uri(url)
mlflow.MlflowClient().set_registered_model_alias(name, alias, version)
"""

#: Where commands run: turns one into one that runs there.
Where = Callable[[Sequence[str]], list[str]]


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    url: str
    python: str
    where: Where

    def publish(self, name: str, folder: Path, alias: str) -> str:
        """Make a version of the files of a folder, and point an alias at it. Returns its number."""
        said = self._client(PUBLISH, self.url, name, str(folder), alias)
        return said.rpartition("version ")[2].split()[0]

    def move(self, name: str, alias: str, version: str) -> None:
        self._client(ALIAS, self.url, name, alias, version)

    def _client(self, script: str, *arguments: str) -> str:
        command = self.where([self.python, "-c", script, *arguments])
        done = subprocess.run(
            command, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextmanager
def mlflow_server(folder: Path, host: str, port: int, where: Where = list) -> Iterator[Server]:
    """A server at an address, for as long as the block runs."""
    home = os.environ.get("FABULA_MLFLOW")
    assert home, REMEDY
    command = [
        *(f"{home}/bin/mlflow", "server", "--host", host, "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
        *("--artifacts-destination", str(folder / "artifacts"), "--allowed-hosts", "*"),
    ]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            where(command), env=ENVIRONMENT, stdout=log, stderr=log, cwd=folder
        )
        try:
            server = Server(f"http://{host}:{port}", f"{home}/bin/python", where)
            _await(server, process, folder / "server.log")
            yield server
        finally:
            process.terminate()
            process.wait(20)


def _await(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    ask = "import sys, urllib.request as r; r.urlopen(sys.argv[1] + '/health', timeout=2)"
    pause = threading.Event()
    for _ in range(START_SECONDS):
        assert process.poll() is None, log.read_text()
        command = server.where([server.python, "-c", ask, server.url])
        if subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0:
            return
        pause.wait(1)
    raise AssertionError(f"MLflow did not start: {log.read_text()}")
