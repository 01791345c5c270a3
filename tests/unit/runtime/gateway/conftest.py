"""A gateway with three engines that behave."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.runtime.stubs.engine import Stub
from tests.unit.runtime.stubs.gateway import House, house


@pytest.fixture(autouse=True)
def read_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test writes for the gateway is read at once, and what the gateway writes too."""
    monkeypatch.setattr("runtime.sources._FILE_POLL_SECONDS", 0.02)
    monkeypatch.setattr("runtime.gateway.upkeep.trailing.IDLE_SECONDS", 0.02)


@pytest.fixture
def store() -> dict[str, Any]:
    """The settings of what keeps the sessions: the gateway itself."""
    return {}


@pytest.fixture
async def home(tmp_path: Path, store: dict[str, Any]) -> AsyncIterator[House]:
    """Three engines, asked by one gateway."""
    async with house(tmp_path, Stub(), Stub(), Stub(), **store) as home:
        yield home
