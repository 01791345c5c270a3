"""schemathesis, as a program of its own, over a server's whole API."""

import asyncio
import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


async def fuzz(
    address: str, config: Path, key: str, phases: str, examples: int, hooks: str | None = None
) -> str:
    """Find nothing; what it says.

    Args:
        address: of the server.
        config: its settings.
        key: the Authorization header.
        phases: what it does, with commas between.
        examples: at most so many of each operation.
        hooks: a module with filters.
    """
    fuzzing = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "schemathesis.cli", f"--config-file={config}",
        "run", f"{address}/openapi.json",
        "--checks=all", f"--phases={phases}", f"--max-examples={examples}",
        f"--header=Authorization: {key}", "--seed=4", "--no-color",
        "--generation-database=none", "--request-timeout=60", "--continue-on-failure",
        "--suppress-health-check=all",
        env={**os.environ, **({"SCHEMATHESIS_HOOKS": hooks} if hooks else {})},
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await fuzzing.communicate()
    assert fuzzing.returncode == 0, output.decode()
    return output.decode()
