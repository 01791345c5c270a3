"""The service in a process of its own, as its pod runs it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crds.config import CONFIG_KEY
from tests.unit.runtime.stubs.process import launch
from tests.unit.runtime.stubs.redis import free_port


@contextmanager
def process(folder: Path) -> Iterator[str]:
    """Its address; it is asked to end, and ends well."""
    port = free_port()
    running = launch("runtime.config", port, {"FABULA_CONFIG_FILE": str(folder / CONFIG_KEY)})
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        running.terminate()
        output, _ = running.communicate(timeout=20)
    assert running.returncode == 0, output.decode()
