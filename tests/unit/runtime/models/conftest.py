"""What the tests of fetching share."""

from collections.abc import AsyncIterator

import pytest

from runtime.models import transfer
from tests.unit.runtime.models.shelf import Shelf, serving


@pytest.fixture
async def shelf() -> AsyncIterator[Shelf]:
    async with serving(Shelf()) as made:
        yield made


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow one another at once."""
    monkeypatch.setattr(transfer, "PAUSE_SECONDS", 0.0)
