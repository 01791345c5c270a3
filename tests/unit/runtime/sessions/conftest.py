"""The store on a volume, of which the tests of the contract ask what every store promises."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from runtime.audit import DecisionLog
from runtime.sessions import SessionStore
from runtime.sessions.sqlite import SqliteSessions

HOUR = 3600.0


class Lifetime:
    """Seconds until a session expires, as the test says."""

    def __init__(self) -> None:
        self.seconds = HOUR

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def lifetime() -> Lifetime:
    return Lifetime()


@pytest.fixture
async def decisions(tmp_path: Path) -> AsyncIterator[DecisionLog]:
    """An empty log of decisions."""
    log = DecisionLog(tmp_path / "decisions")
    yield log
    await log.close()


@pytest.fixture
async def store(
    tmp_path: Path, lifetime: Callable[[], float], decisions: DecisionLog
) -> AsyncIterator[SessionStore]:
    """A store with nothing in it."""
    made = SqliteSessions(tmp_path / "sessions.db", lifetime)
    await made.catch_up(decisions)
    yield made
    await made.close()
