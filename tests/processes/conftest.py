"""What tests of several rooms share: Redis servers that run as long as the tests."""

from collections.abc import Iterator

import pytest

from tests.unit.conftest import no_implicit_event_loop
from tests.unit.runtime.stubs.redis import redis_server

__all__ = ["no_implicit_event_loop"]


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis server for the whole run. Tests keep apart by the names of their storytellers."""
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(scope="session")
def redis_cluster_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A cluster of one node: its rules on keys are those of a large one."""
    with redis_server(tmp_path_factory.mktemp("redis-cluster"), cluster=True) as url:
        yield url
