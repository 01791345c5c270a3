"""A real Prometheus, for tests that are run with `make test-peers`."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

REMEDY = "FABULA_PROMETHEUS names no folder with a Prometheus; run this with: make test-peers"
#: Where a command runs.
Where = Callable[[list[str]], list[str]]


def program(name: str) -> str:
    """One of its programs, as its Debian package has them."""
    home = os.environ.get("FABULA_PROMETHEUS")
    assert home, REMEDY
    return f"{home}/usr/bin/{name}"


@contextmanager
def prometheus_server(
    folder: Path, host: str, port: int, config: str = "global: {}\n", where: Where = list
) -> Iterator[str]:
    """One that keeps what it scrapes in the folder; its address, for as long as the block runs."""
    (folder / "prometheus.yml").write_text(config)
    command = [
        program("prometheus"),
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data",
        "--storage.tsdb.retention.time=10y",
        f"--web.listen-address={host}:{port}",
    ]
    process = subprocess.Popen(where(command), cwd=folder, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        said = []
        for line in process.stderr:
            said.append(line)
            if "Server is ready" in line:
                break
        else:
            raise AssertionError("".join(said))
        yield f"http://{host}:{port}"
    finally:
        process.terminate()
        process.communicate(timeout=30)
