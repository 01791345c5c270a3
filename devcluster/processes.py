"""Starts the programs of a cluster so that they outlive the command, and knows them again later.

A program's record is its own line of /proc/PID/stat, written by itself before it becomes the
program. It holds the time at which it started, so a number that the kernel gave to another
process since is never taken for ours.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from devcluster import cgroups
from devcluster.errors import StartError, UnreachableError
from devcluster.layout import Layout

_LOG_TAIL = 15
_POLL_SECONDS = 0.02
_START_SECONDS = 10.0
_STOP_SECONDS = 5.0
# The shell that is waited for ends at once, so that nothing here has a child that never ends.
_LEAVE = 'setsid sh -euc "$0" "$@" &'
_BECOME = 'echo $$ >"$0"; cat "/proc/$$/stat" >"$1.new"; mv "$1.new" "$1"; shift; exec "$@"'


@dataclass(frozen=True)
class Service:
    """A program of the cluster: how to start it and when it counts as ready."""

    name: str
    argv: list[str]
    ready: Callable[[], bool]
    prefix: list[str] = field(default_factory=list)
    """What enters the namespaces that the program lives in."""
    descriptors: tuple[int, ...] = ()


def log_path(layout: Layout, name: str) -> Path:
    return layout.logs / f"{name}.log"


def record_path(layout: Layout, name: str) -> Path:
    return layout.run / f"{name}.stat"


def start(layout: Layout, service: Service) -> None:
    """Start the program unless it runs; does not wait for it."""
    if pid_of(layout, service.name) is not None:
        return
    record = record_path(layout, service.name)
    record.unlink(missing_ok=True)
    layout.logs.mkdir(parents=True, exist_ok=True)
    environment = {
        "PATH": f"{layout.bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": os.environ.get("HOME", "/root"),
    }
    with log_path(layout, service.name).open("ab") as log:
        subprocess.run(
            [
                "sh",
                "-euc",
                _LEAVE,
                _BECOME,
                str(cgroups.system_procs(layout.cgroup)),
                str(record),
                *service.prefix,
                *service.argv,
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=environment,
            pass_fds=service.descriptors,
            check=True,
            timeout=_START_SECONDS,
        )
    wait(
        record.exists,
        _START_SECONDS,
        failure=lambda: f"{service.name} did not start: {tail(layout, service.name)}",
    )


def wait_ready(layout: Layout, service: Service, seconds: float) -> None:
    """Return once the service is ready; fail at once when its process ended."""

    def ready() -> bool:
        if pid_of(layout, service.name) is None:
            raise StartError(f"{service.name} ended:\n{tail(layout, service.name)}")
        return service.ready()

    wait(
        ready,
        seconds,
        lambda: f"{service.name} was not ready in {seconds:g} s:\n{tail(layout, service.name)}",
    )


def wait(ready: Callable[[], bool], seconds: float, failure: Callable[[], str]) -> None:
    """Poll tightly: a start is a chain of these, and every pause in it is waited for."""
    deadline = time.monotonic() + seconds
    while not _holds(ready):
        if time.monotonic() > deadline:
            raise StartError(failure())
        time.sleep(_POLL_SECONDS)


def _holds(ready: Callable[[], bool]) -> bool:
    """A server that is too busy to answer is not ready yet, which is no reason to give up."""
    try:
        return ready()
    except UnreachableError:
        return False


def tail(layout: Layout, name: str) -> str:
    path = log_path(layout, name)
    if not path.exists():
        return f"it wrote no log ({path})"
    lines = path.read_text(errors="replace").splitlines()[-_LOG_TAIL:]
    return "\n".join([*lines, f"all of it: {path}"])


def pid_of(layout: Layout, name: str) -> int | None:
    """The program's process id while it runs."""
    record = _stat(record_path(layout, name))
    if record is None:
        return None
    now = _stat(Path(f"/proc/{record.pid}/stat"))
    if now is None or now.started != record.started or now.state == "Z":
        return None
    return record.pid


def stop(layout: Layout, name: str) -> None:
    """End one program: politely, then by force."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        pid = pid_of(layout, name)
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + _STOP_SECONDS
        while pid_of(layout, name) is not None and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)


def recorded(layout: Layout) -> dict[str, int | None]:
    """Every program that was started, with its process id or None where it ended."""
    names = sorted(path.stem for path in layout.run.glob("*.stat"))
    return {name: pid_of(layout, name) for name in names}


@dataclass(frozen=True)
class _Stat:
    pid: int
    state: str
    started: int


def _stat(path: Path) -> _Stat | None:
    """Fields 1, 3 and 22 of /proc/PID/stat; field 2 may itself hold spaces and brackets."""
    try:
        text = path.read_text()
    except OSError:
        return None
    head, _, rest = text.rpartition(")")
    fields = rest.split()
    if len(fields) < 20:
        return None
    return _Stat(int(head.split(" ", 1)[0]), fields[0], int(fields[19]))
