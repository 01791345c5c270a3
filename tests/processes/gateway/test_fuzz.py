"""schemathesis over the whole REST API: every operation by its examples, at its edges, at random,
and in sequences that follow links. It finds nothing."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.unit.runtime.gateway.test_callers import closed, keep
from tests.unit.runtime.stubs.gateway import House
from tests.unit.runtime.stubs.loopback import on_loopback

HERE = Path(__file__).parent


@pytest.mark.parametrize(
    ("phases", "examples"),
    [
        ("examples,coverage,stateful", 5),
        pytest.param(
            "examples,coverage,fuzzing,stateful",
            500,
            marks=[pytest.mark.soak, pytest.mark.timeout(3600)],
        ),
    ],
)
async def test_schemathesis_finds_nothing(home: House, phases: str, examples: int) -> None:
    for stub in home.stubs:
        stub.behaviour = "agreeable"
    key = keep(home, "fuzz", "decide", "read", "admin")["authorization"]
    await closed(home)
    async with on_loopback(home) as address:
        fuzzing = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "schemathesis.cli", f"--config-file={HERE / 'fuzzing.toml'}",
            "run", f"{address}/openapi.json",
            "--checks=all", f"--phases={phases}", f"--max-examples={examples}",
            f"--header=Authorization: {key}", "--seed=4", "--no-color",
            "--generation-database=none", "--request-timeout=30", "--continue-on-failure",
            "--suppress-health-check=all",
            env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.processes.gateway.fuzzing"},
            cwd=HERE.parents[2],
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await fuzzing.communicate()
    assert fuzzing.returncode == 0, output.decode()
    paths = (await home.client.get("/openapi.json")).json()["paths"]
    assert f"Tested: {sum(map(len, paths.values()))}\n" in output.decode()
