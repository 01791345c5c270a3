import os
import shlex
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from typer.testing import CliRunner

import devcluster
from cli.dev import app
from devcluster import Cluster, ClusterError, Part
from devcluster.progress import Say, silent


@dataclass(frozen=True)
class FakeCluster(Cluster):
    parts: list[Part] = field(default_factory=list)
    loaded: list[Path] = field(default_factory=list)
    log: Path | None = None

    @property
    def bin(self) -> Path:
        return Path("/tools of mine")

    def load_image(self, archive: Path) -> None:
        self.loaded.append(archive)

    def status(self) -> list[Part]:
        return self.parts

    def logs(self, component: str) -> Path | None:
        return self.log

    def down(self, say: Say = silent) -> None:
        say("removed")


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    found = FakeCluster("fabula", Path("/state/kubeconfig"), "native")
    monkeypatch.setattr(devcluster, "find", lambda name: found)
    return found


def _run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


@pytest.mark.parametrize("command", ["up", "status", "env", "exec", "logs", "load-image", "down"])
def test_every_command_explains_itself(command: str) -> None:
    code, text = _run(command, "--help")
    assert code == 0
    assert "--name" in text


def test_a_shell_can_use_what_env_prints(cluster: FakeCluster) -> None:
    _, text = _run("env")
    done = subprocess.run(
        ["sh", "-euc", f'{text}\nprintf \'%s\\n%s\' "$KUBECONFIG" "$PATH"'],
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    )
    kubeconfig, path = done.stdout.splitlines()
    assert kubeconfig == "/state/kubeconfig"
    assert path == f"/tools of mine:{os.environ['PATH']}"


def test_status_fails_while_a_part_is_down_and_names_the_repair(cluster: FakeCluster) -> None:
    cluster.parts.append(Part("etcd", "running", "pid 1"))
    assert _run("status")[0] == 0
    cluster.parts.append(Part("node1-kubelet", "stopped"))
    code, text = _run("status")
    assert code == 1
    assert "fabula dev up" in text


def test_exec_hands_on_arguments_and_exit_status(cluster: FakeCluster) -> None:
    assert _run("exec", "--", "sh", "-c", "exit 7")[0] == 7
    assert _run("exec")[0] == 2


def test_a_cluster_that_was_never_started_is_said_with_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(devcluster, "find", lambda name: None)
    code, text = _run("status", "--name", "story")
    assert code == 1
    assert "fabula dev up --name story" in text


def test_an_error_is_its_message_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> Cluster:
        raise ClusterError("nftables is missing")

    monkeypatch.setattr(devcluster, "up", fail)
    code, text = _run("up")
    assert (code, text.strip()) == (1, "nftables is missing")


def test_logs_are_printed(
    cluster: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "etcd.log"
    log.write_text("ready to serve\n")
    found = FakeCluster("fabula", Path("k"), "native", log=log)
    monkeypatch.setattr(devcluster, "find", lambda name: found)
    assert _run("logs", "etcd") == (0, "ready to serve\n")


def test_an_image_is_loaded_from_a_file_that_exists(cluster: FakeCluster, tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    archive.write_bytes(b"")
    assert _run("load-image", str(archive))[0] == 0
    assert cluster.loaded == [archive]
    assert _run("load-image", shlex.quote("/nowhere.tar"))[0] == 2
