"""schemathesis over the whole API. It finds nothing."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.processes.config.process import process
from tests.unit.runtime.config.serving import write_config
from tests.unit.runtime.config.test_callers import keep

HERE = Path(__file__).parent


@pytest.mark.parametrize(
    ("phases", "examples"),
    [
        ("examples,fuzzing", 5),
        pytest.param("examples,coverage,fuzzing", 300, marks=pytest.mark.soak),
    ],
)
async def test_schemathesis_finds_nothing(tmp_path: Path, phases: str, examples: int) -> None:
    key = keep(tmp_path / "keys", "fuzz", "config", "read")["authorization"]
    write_config(tmp_path, api_keys_dir=str(tmp_path / "keys"))
    with process(tmp_path) as address:
        fuzzing = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "schemathesis.cli", f"--config-file={HERE / 'fuzzing.toml'}",
            "run", f"{address}/openapi.json",
            "--checks=all", f"--phases={phases}", f"--max-examples={examples}",
            f"--header=Authorization: {key}", "--seed=4", "--no-color",
            "--generation-database=none", "--request-timeout=60", "--continue-on-failure",
            "--suppress-health-check=all",
            env=dict(os.environ),
            cwd=HERE.parents[2],
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await fuzzing.communicate()
    assert fuzzing.returncode == 0, output.decode()
