"""What every store of sessions promises, asked of Redis."""

from tests.unit.runtime.sessions.test_contract import *  # noqa: F403 - the same, in Redis
