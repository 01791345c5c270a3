"""What all unit tests share."""

import asyncio
import gc

import pytest
from hypothesis import settings

# A machine that is busy is slow, and no test is wrong for it.
settings.register_profile("fabula", deadline=None)
settings.load_profile("fabula")


def pytest_collection_finish() -> None:
    """Look for garbage less often: what was imported stays, and looking at it again and again
    takes a sixth of the time of all tests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


@pytest.fixture(scope="session", autouse=True)
def no_implicit_event_loop() -> None:
    """Tests bring their own loops. Without this, asking for "the" loop between two tests creates
    one that nobody closes, and warnings are errors here."""
    asyncio.set_event_loop(None)
