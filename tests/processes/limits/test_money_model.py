"""Every interleaving that hypothesis finds, of gateways on one Redis."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test
from redis.asyncio import Redis

from runtime.limits.money import Balance, Cap, Ledger, Reservation
from runtime.limits.redis_ledger import RedisLedger
from tests.unit.runtime.limits.test_money_model import TESTED, Caps, Held


class RedisCaps(Caps):
    """Three gateways on one Redis."""

    url = ""

    @initialize()
    def empty(self) -> None:
        self.runner.run(self._empty())

    def opened(self) -> Ledger:
        self.redis = Redis.from_url(self.url)
        self.gateways = [
            RedisLedger(lambda: self.redis, lambda: "ns/w", timeout=20) for _ in range(3)
        ]
        return self.gateways[0]

    @rule(at=st.integers(0, 2))
    def another_gateway(self, at: int) -> None:
        self.ledger = self.gateways[at]

    @rule(at=st.integers(0, 2))
    def restart(self, at: int) -> None:
        """A gateway forgets what it remembered."""
        self.gateways[at] = RedisLedger(lambda: self.redis, lambda: "ns/w", timeout=20)
        self.ledger = self.gateways[at]

    def expire(self, held: Held) -> None:
        self.runner.run(self._expire(held.reservation))

    def balance(self, cap: Cap, window: str) -> Balance:
        return self.runner.run(self._balance(cap.id, window))

    async def _empty(self) -> None:
        await self.redis.flushall()

    async def _expire(self, reservation: Reservation) -> None:
        member = f"{reservation.id}:{reservation.amount}"
        for cap, window in reservation.accounts:
            key = f"fabula:{{ns/w}}:money:{cap}:{window}:held"
            await self.redis.zadd(key, {member: 0}, xx=True)

    async def _balance(self, cap: str, window: str) -> Balance:
        found = await self.redis.hmget(
            f"fabula:{{ns/w}}:money:{cap}:{window}", ["spent", "reserved"]
        )
        return Balance(*(int(each or 0) for each in found))

    def teardown(self) -> None:
        self.runner.run(self.redis.aclose())
        super().teardown()


@pytest.fixture
def redis_caps(redis_url: str) -> type[Caps]:
    RedisCaps.url = redis_url
    return RedisCaps


def test_no_interleaving_passes_a_cap_in_redis(redis_caps: type[Caps]) -> None:
    run_state_machine_as_test(redis_caps, settings=TESTED)
