"""A Lua script beside this module, run by its digest; sent again when Redis does not know it."""

import asyncio
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis

#: At the same time. A client refuses, rather than waits, when its connections are used up, and
#: Redis runs one script at a time anyway.
_AT_ONCE = 16


class Script:
    """One script of ``lua/``."""

    def __init__(self, redis: Redis, name: str) -> None:
        text = files("runtime.limits").joinpath("lua", name).read_text()
        self._script = redis.register_script(text)
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def __call__(
        self, keys: Sequence[str], values: Sequence[str | int], *, patience: float
    ) -> Any:
        """What it returns. EVALSHA, and EVAL where that fails for want of the script.

        Raises:
            RedisError, OSError, TimeoutError: no answer, within ``patience`` seconds. It may have
                run all the same.
        """
        async with asyncio.timeout(patience), self._places:
            return await self._script(keys=list(keys), args=list(values))
