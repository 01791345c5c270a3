"""schemathesis over the whole API. It finds nothing."""

from pathlib import Path

import pytest

from tests.processes.config.process import process
from tests.processes.fuzz import fuzz
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
        await fuzz(address, HERE / "fuzzing.toml", key, phases, examples)
