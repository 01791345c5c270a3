"""A home of the money, of which the tests of the contract ask what every home promises."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runtime.limits.money import Ledger
from runtime.limits.sqlite_ledger import SqliteLedger


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    """The one on a volume."""
    made = SqliteLedger(tmp_path / "ledger.db")
    yield made
    await made.close()
