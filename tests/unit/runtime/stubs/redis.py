"""A real Redis on loopback, of this test run alone."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from tests.unit.runtime.stubs.waiting import until

#: Debian ships the server's program in redis-tools, under the name of one of its other uses; the
#: package redis-server adds only a service, which would run on this machine from then on.
PROGRAMS = ("redis-server", "redis-check-rdb")
REMEDY = (
    "these tests need a Redis server: apt-get install -y --no-install-recommends redis-tools "
    "(`make process-tests` does it as root)"
)


@contextmanager
def redis_server(
    folder: Path,
    port: int | None = None,
    password: str | None = None,
    *,
    cluster: bool = False,
) -> Iterator[str]:
    """Serve on a free port, alone or as a cluster of one; yields the URL."""
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    assert program is not None, REMEDY
    port = port or free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    if cluster:
        command += ["--cluster-enabled", "yes", "--cluster-port", str(free_port())]
    if password:
        command += ["--requirepass", password]
    process = subprocess.Popen(
        [*command, "--save", "", "--appendonly", "no"],
        executable=program,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with Redis(port=port, password=password, socket_timeout=2) as client:
            until(lambda: _answers(client, process))
            if cluster:
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
                until(lambda: client.execute_command("CLUSTER INFO")["cluster_state"] == "ok")
        user = f":{password}@" if password else ""
        yield f"redis://{user}127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(10)


def free_port() -> int:
    """A port of loopback that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(client: "Redis", process: "subprocess.Popen[bytes]") -> bool:
    assert process.poll() is None, "redis-server ended at once"
    try:
        return bool(client.ping())
    except RedisError:
        return False
