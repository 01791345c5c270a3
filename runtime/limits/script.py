"""A Lua script beside this module, run in a Redis that all gateways share."""

import asyncio
from collections.abc import Callable, Sequence
from hashlib import sha1
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import NoScriptError, RedisError

#: The client to use now; None: there is none, as while its address is not mounted.
Client = Callable[[], Redis | RedisCluster | None]

#: At the same time. Some clients refuse, rather than wait, when their connections are used up, and
#: Redis runs one script at a time anyway.
_AT_ONCE = 16


class RedisAwayError(Exception):
    """No answer; the script may have run all the same. The message never holds an address."""


class Script:
    """One script of ``lua/``, run by its digest, and sent again when Redis does not know it."""

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self._text = files("runtime.limits").joinpath("lua", name).read_text()
        self._digest = sha1(self._text.encode(), usedforsecurity=False).hexdigest()
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def __call__(
        self, keys: Sequence[str], values: Sequence[str | int], *, patience: float
    ) -> Any:
        """What it returns.

        Raises:
            RedisAwayError: no answer within ``patience`` seconds.
        """
        try:
            async with asyncio.timeout(patience), self._places:
                client = self._client()
                if client is None:
                    raise RedisAwayError("its address is missing")
                arguments = [*keys, *map(str, values)]
                try:
                    return await client.evalsha(self._digest, len(keys), *arguments)
                except NoScriptError:
                    return await client.eval(self._text, len(keys), *arguments)
        except TimeoutError:
            raise RedisAwayError(f"no answer within {patience:g} s") from None
        except (RedisError, OSError) as error:
            # Its own words may repeat the address, and the address holds a password.
            raise RedisAwayError(type(error).__name__) from None
