"""A gateway with three engines that behave."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.runtime.stubs.engine import Stub
from tests.unit.runtime.stubs.gateway import House, house


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    """Three engines, asked by one gateway."""
    async with house(tmp_path, Stub(), Stub(), Stub()) as home:
        yield home
