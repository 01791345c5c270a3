"""The service in a process of its own, as its pod runs it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from crds.config import CONFIG_KEY
from tests.unit.runtime.stubs.redis import free_port
from tests.unit.runtime.stubs.waiting import until


@contextmanager
def process(folder: Path) -> Iterator[str]:
    """Its address; it is asked to end, and ends well."""
    port = free_port()
    running = subprocess.Popen(
        [sys.executable, "-m", "runtime.config"],
        env={
            **os.environ,
            "FABULA_CONFIG_FILE": str(folder / CONFIG_KEY),
            "FABULA_HOST": "127.0.0.1",
            "FABULA_PORT": str(port),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        until(lambda: _ready(running, address))
        yield address
    finally:
        running.terminate()
        output, _ = running.communicate(timeout=20)
    assert running.returncode == 0, output.decode()


def _ready(running: "subprocess.Popen[bytes]", address: str) -> bool:
    try:
        return httpx.get(f"{address}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        assert running.poll() is None, running.stdout and running.stdout.read()
        return False
