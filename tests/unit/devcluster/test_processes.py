import os
import signal
import socket
from pathlib import Path

import pytest

from devcluster import cgroups, ports, processes
from devcluster.errors import StartError, UnreachableError
from devcluster.layout import Layout
from devcluster.processes import Service


@pytest.fixture(autouse=True)
def _no_cgroups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "system_procs", lambda group: tmp_path / "procs")


def _service(script: str) -> Service:
    return Service("part", ["sh", "-c", script], lambda: True)


@pytest.fixture
def running(layout: Layout) -> int:
    processes.start(layout, _service("exec sleep 300"))
    pid = processes.pid_of(layout, "part")
    assert pid is not None
    return pid


def test_a_program_runs_in_a_session_of_its_own(layout: Layout, running: int) -> None:
    assert os.getsid(running) != os.getsid(0)
    assert processes.recorded(layout) == {"part": running}
    processes.stop(layout, "part")


def test_a_program_is_no_child_of_whoever_started_it(layout: Layout, running: int) -> None:
    with pytest.raises(ChildProcessError):
        os.waitpid(running, os.WNOHANG)
    processes.stop(layout, "part")


def test_what_runs_is_not_started_twice(layout: Layout, running: int) -> None:
    processes.start(layout, _service("exec sleep 300"))
    assert processes.pid_of(layout, "part") == running
    processes.stop(layout, "part")


def test_a_stopped_program_is_gone(layout: Layout, running: int) -> None:
    processes.stop(layout, "part")
    assert processes.pid_of(layout, "part") is None
    assert processes.recorded(layout) == {"part": None}


def test_one_that_ignores_the_polite_signal_is_killed(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "trap '' TERM; while :; do sleep 300; done"
    processes.start(layout, _service(script))
    pid = processes.pid_of(layout, "part")
    assert pid is not None
    sent: list[int] = []
    monkeypatch.setattr(os, "kill", lambda target, number: sent.append(number))
    monkeypatch.setattr(processes, "_STOP_SECONDS", 0.05)
    processes.stop(layout, "part")
    assert sent == [signal.SIGTERM, signal.SIGKILL]
    monkeypatch.undo()
    os.killpg(pid, signal.SIGKILL)


def test_a_number_that_the_kernel_gave_to_another_is_not_ours(layout: Layout) -> None:
    own = Path("/proc/self/stat").read_text()
    head, _, rest = own.rpartition(")")
    fields = rest.split()
    fields[19] = str(int(fields[19]) - 1)
    processes.record_path(layout, "part").write_text(f"{head}) {' '.join(fields)}")
    assert processes.pid_of(layout, "part") is None
    processes.stop(layout, "part")


@pytest.mark.parametrize("content", ["", "12", "12 (sh", "12 (s h) S 1 2"])
def test_a_torn_record_counts_as_none(layout: Layout, content: str) -> None:
    processes.record_path(layout, "part").write_text(content)
    assert processes.pid_of(layout, "part") is None


def test_waiting_ends_at_once_when_the_program_did(layout: Layout) -> None:
    service = Service("part", ["sh", "-c", "echo no such file >&2"], lambda: False)
    processes.start(layout, service)
    with pytest.raises(StartError, match="no such file"):
        processes.wait_ready(layout, service, seconds=30)


def test_waiting_ends_with_the_last_log_lines(layout: Layout, running: int) -> None:
    processes.log_path(layout, "part").write_text("still loading\n")
    never = Service("part", [], lambda: False)
    with pytest.raises(StartError, match="still loading"):
        processes.wait_ready(layout, never, seconds=0.05)
    processes.stop(layout, "part")


def test_a_server_that_does_not_answer_yet_is_waited_for() -> None:
    answers = iter([False, True])

    def ready() -> bool:
        if not next(answers):
            raise UnreachableError("connection refused")
        return True

    processes.wait(ready, seconds=5, failure=lambda: "never")


def test_ports_are_seen_through_the_processes_of_the_cluster(layout: Layout) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        assert not ports.listens(layout, port)
        own = Path("/proc/self/stat").read_text()
        processes.record_path(layout, "part").write_text(own)
        assert ports.listens(layout, port)
        assert not ports.is_free(port)
