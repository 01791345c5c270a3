"""Rates that hold across gateways: the same arithmetic in one Lua script, and what becomes of it
while Redis is away."""

import random
from collections.abc import Callable, Sequence
from hashlib import blake2s

import structlog

from runtime.limits.gcra import Quota, Ruling
from runtime.limits.rates import Counted, EmbeddedRates, Rates, microseconds
from runtime.limits.script import Client, RedisAwayError, Script

log = structlog.get_logger(__name__)

#: Longer than a healthy Redis ever takes, shorter than a player notices.
TIMEOUT_SECONDS = 0.25
#: How long it is not asked again after it failed.
_REST = 1_000_000


class RedisRates:
    """Rates in Redis.

    Args:
        client: the Redis.
        scope: what shares the counts, such as ``namespace/storyteller``. It is the hash tag of
            every key, so that one script may touch them all in a cluster of Redis.
        timeout: seconds for one answer.
    """

    def __init__(
        self, client: Client, scope: Callable[[], str], *, timeout: float = TIMEOUT_SECONDS
    ) -> None:
        self._admit = Script(client, "admit.lua")
        self._scope = scope
        self._timeout = timeout

    async def admit(self, asked: Sequence[Counted]) -> Ruling:
        """See Rates.

        Raises:
            RedisAwayError: no answer. The request may be counted.
        """
        keys = [self._key(each) for each in asked]
        spans = [span for each in asked for span in (each.rate.interval, each.rate.tolerance)]
        told = await self._admit(keys, spans, patience=self._timeout)
        return Ruling(
            [Quota(each.rate, *told[at * 3 : at * 3 + 3]) for at, each in enumerate(asked)]
        )

    def _key(self, counted: Counted) -> str:
        # Subjects may be names of players: they are no business of who reads a Redis.
        name = blake2s(counted.key.encode(errors="replace"), digest_size=16).hexdigest()
        return f"fabula:{{{self._scope()}}}:rate:{name}"


class SharedRates:
    """Rates in Redis; while it is away, each gateway holds its part of them by itself.

    A limit of requests protects against load, and a game that is refused because of a counter would
    be worse than one that gets a little less, or more, than its rate for a minute.

    Args:
        shared: the home of all.
        own: the home of this gateway.
        replicas: how many gateways share the rates.
    """

    def __init__(
        self,
        shared: Rates,
        own: EmbeddedRates,
        replicas: Callable[[], int],
        *,
        clock: Callable[[], int] = microseconds,
        rng: random.Random | None = None,
    ) -> None:
        self._shared = shared
        self._own = own
        self._replicas = replicas
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311  (jitter)
        self._rests_until = clock()
        self.away = False

    async def admit(self, asked: Sequence[Counted]) -> Ruling:
        """See Rates."""
        if self._clock() >= self._rests_until:
            try:
                ruling = await self._shared.admit(asked)
            except RedisAwayError as error:
                self._rests_until = self._clock() + round(_REST * self._rng.uniform(0.8, 1.2))
                if not self.away:
                    log.warning("rates_apart", reason=str(error))
                self.away = True
            else:
                if self.away:
                    log.info("rates_together")
                self.away = False
                return ruling
        replicas = self._replicas()
        return await self._own.admit(
            [Counted(each.rate.shared_by(replicas), each.subject) for each in asked]
        )
