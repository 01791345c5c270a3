"""Our servers in processes of their own: a gateway, to be killed."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx

from crds.gateway import CONFIG_KEY
from crds.routes import ROUTES_KEY
from tests.unit.runtime.stubs.waiting import until


def start(
    folder: Path, port: int, more: Mapping[str, str] | None = None, data: str = "data"
) -> "subprocess.Popen[bytes]":
    """One over the files in ``folder``, answering on that port of loopback."""
    environment = {
        "FABULA_CONFIG_FILE": str(folder / CONFIG_KEY),
        "FABULA_ROUTES_FILE": str(folder / ROUTES_KEY),
        "FABULA_DATA_DIR": str(folder / data),
        "FABULA_GRPC_PORT": "0",
        "FABULA_DRAIN_DELAY_SECONDS": "0.2",
        **(more or {}),
    }
    return launch("runtime.gateway", port, environment)


def launch(module: str, port: int, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """A server that answers on that port of loopback."""
    process = subprocess.Popen(
        [sys.executable, "-m", module],
        env={
            **os.environ,
            "FABULA_HOST": "127.0.0.1",
            "FABULA_PORT": str(port),
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        until(lambda: _answers(process, port))
    except BaseException:
        kill(process)
        raise
    return process


async def begin(port: int) -> str:
    """A session of the gateway on that port: its id."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        return str((await client.post("/v1/sessions")).json()["id"])


def kill(process: "subprocess.Popen[bytes]") -> None:
    """End it as the kernel does when memory is short."""
    process.kill()
    process.communicate(timeout=10)


def _answers(process: "subprocess.Popen[bytes]", port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        assert process.poll() is None, process.stdout and process.stdout.read()
        return False
