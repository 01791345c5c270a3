"""Reaching a gateway inside a cluster from outside of it, with nothing but kubectl."""

import re
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from cli.run import CommandError

_FORWARDING = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")
_START_SECONDS = 20.0
_HTTP_PORT = 8080


def key_headers(env: Mapping[str, str]) -> dict[str, str]:
    """What a gateway that asks for keys wants to see: the one in ``FABULA_API_KEY``, so that it
    stands in no list of processes."""
    key = env.get("FABULA_API_KEY", "").strip()
    return {"X-API-Key": key} if key else {}


@contextmanager
def gateway_of(env: Mapping[str, str], namespace: str, storyteller: str) -> Iterator[str]:
    """The address of a Storyteller's gateway, for as long as the context lasts.

    Raises:
        CommandError: kubectl could not open a way to it.
    """
    command = [
        *("kubectl", "--namespace", namespace, "port-forward"),
        *(f"service/{storyteller}-gateway", f":{_HTTP_PORT}", "--address", "127.0.0.1"),
    ]
    try:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command,
            env=dict(env),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    except FileNotFoundError:
        raise CommandError(f"kubectl is not on the PATH: {' '.join(command)}") from None
    try:
        yield f"http://127.0.0.1:{_port(process, command)}"
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _port(process: "subprocess.Popen[str]", command: list[str]) -> int:
    """The local port that kubectl chose, which is the first thing it says."""
    assert process.stdout is not None  # noqa: S101  (a pipe)
    deadline = threading.Timer(_START_SECONDS, process.kill)
    deadline.start()
    try:
        said = process.stdout.readline()
    finally:
        deadline.cancel()
    found = _FORWARDING.search(said)
    if found is None:
        reason = said.strip() or f"nothing within {_START_SECONDS:.0f} s"
        raise CommandError(f"{' '.join(command)} said: {reason}")
    return int(found[1])
