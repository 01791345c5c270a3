"""What all unit tests share."""

import asyncio
import gc
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

# A machine that is busy is slow, and no test is wrong for it.
settings.register_profile("fabula", deadline=None)
settings.load_profile("fabula")

#: Where files are gone with the machine, and a write to the disk is not waited for.
MEMORY = Path("/dev/shm")
MEMORY_BYTES = 2 << 30


def pytest_configure() -> None:
    """Keep the tests' files in memory if there is room."""
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > MEMORY_BYTES:
        tempfile.tempdir = str(MEMORY)


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
