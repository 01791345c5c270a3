"""A configuration service with one tunable of each type."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.runtime.config.serving import Config, serving, write_config
from tests.unit.runtime.stubs.waiting import eventually


@pytest.fixture
async def config(tmp_path: Path) -> AsyncIterator[Config]:
    """One that is ready."""
    write_config(tmp_path)
    async with serving(tmp_path) as config:
        await eventually(lambda: config.service.unready is None)
        yield config
