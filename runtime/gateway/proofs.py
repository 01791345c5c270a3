"""How a replica proves to another that it is one: with a secret that lies in the Redis that they
share, and that no request carries.

Without a proof a question that says it comes from a replica is answered from this replica's log all
the same, so that two can never ask each other in circles. It is counted as any other, and gives its
caller nothing that his key does not.
"""

import asyncio
import hmac
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from redis.exceptions import RedisClusterException, RedisError

from runtime.limits.script import Client

#: Seconds that the clocks of two replicas may differ, the way between them included.
SKEW_SECONDS = 60.0
#: How long the secret is remembered, how soon it may be read again, and how long that may take.
_REMEMBER_SECONDS, _LOOK_SECONDS, _READ_SECONDS = 60.0, 1.0, 1.0


class Proofs:
    """Makes and checks proofs: HMAC-SHA256 (RFC 2104) over the time and the request.

    Args:
        client: the Redis that all replicas share. None: there are no other replicas.
        name: the key of the secret there.
        clock: seconds since the epoch.
    """

    def __init__(
        self, client: Client | None, name: str, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._client = client
        self._name = name
        self._clock = clock
        self._secret: str | None = None
        self._looked: float | None = None

    async def make(self, method: str, path: str, credential: str | None) -> str | None:
        """A proof for one request. None: the secret is not known, because Redis does not answer.

        Args:
            method, path: what is asked; the path without percent-encoding.
            credential: the caller's API key, in whose name it is asked.
        """
        secret = await self._known(_REMEMBER_SECONDS)
        if secret is None:
            return None
        at = str(int(self._clock()))
        return f"{at}.{_mac(secret, at, method, path, credential)}"

    async def holds(self, proof: str, method: str, path: str, credential: str | None) -> bool:
        """Whether a replica made this proof, for this request, just now."""
        at, _, mac = proof.partition(".")
        if not (at.isascii() and at.isdigit() and mac.isascii() and len(at) <= 12):
            return False
        if abs(self._clock() - int(at)) > SKEW_SECONDS:
            return False
        # Another secret may have taken its place meanwhile, as when Redis lost it.
        for age in (_REMEMBER_SECONDS, _LOOK_SECONDS):
            secret = await self._known(age)
            if secret is not None and hmac.compare_digest(
                _mac(secret, at, method, path, credential), mac
            ):
                return True
        return False

    async def _known(self, age: float) -> str | None:
        """The secret as it was read no longer ago than ``age`` seconds, or last."""
        now = time.monotonic()
        if self._client is None or (self._looked is not None and now - self._looked < age):
            return self._secret
        self._looked = now
        with suppress(RedisError, RedisClusterException, OSError, TimeoutError):
            async with asyncio.timeout(_READ_SECONDS):
                if (client := self._client()) is not None:
                    await client.set(self._name, secrets.token_hex(32), nx=True)
                    found: Any = await client.get(self._name)
                    self._secret = found or self._secret
        return self._secret


def _mac(secret: str, at: str, method: str, path: str, credential: str | None) -> str:
    text = "\n".join((at, method, path, credential or ""))
    return hmac.digest(secret.encode(), text.encode(), "sha256").hex()
