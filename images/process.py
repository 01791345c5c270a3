"""Run one outside command: with a time limit, its output kept, an error that says what to read."""

import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_TAIL_LINES = 25


class BuildError(Exception):
    """The build cannot go on; the message names what failed and the remedy."""


def run(
    command: Sequence[str],
    *,
    timeout: float,
    log: Path,
    env: Mapping[str, str] | None = None,
    keep_open: tuple[int, ...] = (),
    on_line: Callable[[str], None] = lambda line: None,
) -> str:
    """Run to the end and return what the command printed.

    `keep_open` are descriptors that the command inherits. Given the descriptor of a held lock, the
    lock outlives us for as long as the command does, should we be killed.
    """
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    output: list[str] = []
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=dict(env) if env is not None else None,
        pass_fds=keep_open,
        start_new_session=True,
    )
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(timeout, expire)
    timer.start()
    try:
        assert process.stdout is not None  # noqa: S101 - stdout=PIPE
        with process.stdout, log.open("a") as file:
            file.write(f"$ {' '.join(command)}\n")
            for line in process.stdout:
                file.write(line)
                output.append(line)
                tail.append(line)
                on_line(line.rstrip("\n"))
        code = process.wait()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    finally:
        timer.cancel()
    if expired.is_set():
        raise BuildError(
            f"{command[0]} did not finish within {timeout:.0f} s and was stopped; the log is {log}"
        )
    if code:
        raise BuildError(
            f"{' '.join(command[:2])} ... ended with status {code}; the log is {log}. It ends:\n"
            + "".join(tail).rstrip()
        )
    return "".join(output)
