"""The engine as Kubernetes sees it: a process with a port, stopped and frozen by signals."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

QUESTION = {"messages": [{"role": "user", "content": "Tell me."}], "stream": True}
PACED = ("--paced-tokens-per-second", "60")
WAIT = 20


class Engine:
    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "runtime.llamacpp", "--host", "127.0.0.1", "--port", "0",
             *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        self.port = int(self.event("listening")["port"])

    def event(self, name: str) -> dict[str, Any]:
        """Read the log up to an event."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            entry: dict[str, Any] = json.loads(line)
            if entry["event"] == name:
                return entry
        raise AssertionError(f"the engine ended without {name!r}")

    @contextmanager
    def ask(self, path: str, timeout: float = WAIT) -> Iterator[http.client.HTTPResponse]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)) as to:
            if path == "/v1/chat/completions":
                to.request("POST", path, json.dumps(QUESTION))
            else:
                to.request("GET", path)
            with to.getresponse() as response:
                yield response

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(WAIT)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def start() -> Iterator[Callable[..., Engine]]:
    engines: list[Engine] = []

    def run(*arguments: str) -> Engine:
        engines.append(Engine(*arguments))
        return engines[-1]

    yield run
    for engine in engines:
        engine.stop()


def test_sigterm_lets_a_running_answer_finish(start: Callable[..., Engine]) -> None:
    engine = start(*PACED)
    engine.event("warm")
    with engine.ask("/v1/chat/completions") as stream:
        assert stream.readline().startswith(b"data: ")
        engine.process.send_signal(signal.SIGTERM)
        assert engine.event("draining")["in_flight"] == 1
        with engine.ask("/readyz") as ready:
            assert (ready.status, ready.read()) == (503, b"draining\n")
        with engine.ask("/v1/chat/completions") as refused:
            assert refused.status == 503
        assert stream.read().endswith(b"data: [DONE]\n\n")
    assert engine.process.wait(WAIT) == 0


def test_a_drain_cuts_what_takes_longer(start: Callable[..., Engine]) -> None:
    engine = start("--paced-tokens-per-second", "0.1", "--drain-seconds", "0.1")
    with engine.ask("/v1/chat/completions") as stream:
        engine.process.send_signal(signal.SIGTERM)
        assert engine.process.wait(WAIT) == 0
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            stream.read()


def test_a_frozen_process_accepts_and_is_silent_until_it_goes_on(
    start: Callable[..., Engine],
) -> None:
    engine = start(*PACED)
    engine.process.send_signal(signal.SIGSTOP)
    with pytest.raises(TimeoutError), engine.ask("/livez", timeout=0.2):
        pass
    with socket.create_connection(("127.0.0.1", engine.port), timeout=WAIT) as accepted:
        accepted.sendall(b"GET /livez HTTP/1.1\r\nHost: engine\r\n\r\n")
        engine.process.send_signal(signal.SIGCONT)
        assert accepted.recv(15) == b"HTTP/1.1 200 OK"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--model-path", "/no/such.gguf"), "--model-path /no/such.gguf: /no/such.gguf cannot be"),
        ((*PACED, "--host", "192.0.2.1"), "--port 0 on --host 192.0.2.1: "),
    ],
)
def test_an_engine_that_cannot_start_says_why_and_ends(
    arguments: tuple[str, ...], problem: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "runtime.llamacpp", "--port", "0", *arguments],
        capture_output=True,
        text=True,
        timeout=WAIT,
    )
    assert done.returncode == 1
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["level"] == "error"
    assert problem in last["problem"]
    assert "Traceback" not in done.stdout + done.stderr
