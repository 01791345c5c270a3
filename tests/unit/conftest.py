"""What all unit tests share."""

import asyncio

import pytest


@pytest.fixture(scope="session", autouse=True)
def no_implicit_event_loop() -> None:
    """Tests bring their own loops. Without this, asking for "the" loop between two tests creates
    one that nobody closes, and warnings are errors here."""
    asyncio.set_event_loop(None)
