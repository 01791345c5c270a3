"""What every home of the money promises, asked of Redis."""

from tests.unit.runtime.limits.test_ledger import *  # noqa: F403 - the same, in Redis
