"""Gateways on one Redis, and the gateway of the unit tests."""

import secrets
from pathlib import Path
from typing import Any

import pytest

from tests.unit.runtime.gateway.conftest import home, read_soon, store

__all__ = ["home", "read_soon", "store"]


@pytest.fixture
def redis_store(tmp_path: Path, redis_url: str) -> dict[str, Any]:
    """What makes gateways share the sessions of a storyteller that no other test has."""
    file = tmp_path / "redis-url"
    file.write_text(redis_url)
    return {"redis_url_file": file, "storyteller": f"bard-{secrets.token_hex(4)}"}
