"""schemathesis over the whole REST API: every operation by its examples, at its edges, at random,
and in sequences that follow links. It finds nothing."""

from pathlib import Path

import pytest

from tests.processes.fuzz import fuzz
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
        said = await fuzz(
            address, HERE / "fuzzing.toml", key, phases, examples, "tests.processes.gateway.fuzzing"
        )
    paths = (await home.client.get("/openapi.json")).json()["paths"]
    assert f"Tested: {sum(map(len, paths.values()))}\n" in said
