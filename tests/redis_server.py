"""A real Redis of the tests' own, on loopback, that keeps nothing."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from tests.unit.runtime.stubs.waiting import until

#: Where the tests find it, if not on the PATH.
SERVER = os.environ.get("FABULA_TEST_REDIS_SERVER", "redis-server")


@contextmanager
def redis_server(*options: str) -> Iterator[str]:
    """Run one; gives its URL.

    Raises:
        FileNotFoundError: there is no redis-server. Debian has it in the package of that name.
    """
    program = shutil.which(SERVER)
    if program is None:
        raise FileNotFoundError(f"{SERVER} is not there; install it: apt-get install redis-server")
    port = _free_port()
    url = f"redis://127.0.0.1:{port}/0"
    with tempfile.TemporaryDirectory() as folder:
        command = [
            program, "--bind", "127.0.0.1", "--port", str(port), "--dir", folder,
            "--save", "", "--appendonly", "no", "--logfile", str(Path(folder) / "log"),
            "--maxclients", "1024", *options,
        ]  # fmt: skip
        process = subprocess.Popen(command)
        try:
            until(lambda: _answers(url) or process.poll() is not None)
            assert process.poll() is None, f"{program} ended with {process.returncode}"
            yield url
        finally:
            process.terminate()
            process.wait(timeout=20)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    with redis.Redis.from_url(url, socket_timeout=1) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
