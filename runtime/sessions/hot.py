"""The way to the Redis that the World names: its address lies in a file, mounted from a Secret,
and may hold a password. No message here repeats it."""

import asyncio
from pathlib import Path
from typing import cast

import structlog
from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ReadOnlyError,
    RedisError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from runtime.sessions.store import StoreUnavailableError

log = structlog.get_logger(__name__)

#: One command, the connection before it included, takes no longer.
COMMAND_SECONDS = 2.0
#: A second try after a broken connection: every command here may be repeated.
_RETRIES = 1
_CONNECTIONS = 64


class HotStore:
    """The client for the address that stands in the file now.

    Args:
        file: holds a redis:// or rediss:// URL.
        secret: the Secret and key that it is mounted from, as ``name/key``, for messages.
    """

    def __init__(self, file: Path, secret: str | None = None) -> None:
        self._file = file
        self._secret = secret
        self._url: str | None = None
        self._client: Redis | None = None
        #: Whether it has been found out if the server is one of a cluster.
        self._knows_kind = False
        self._closing: set[asyncio.Task[None]] = set()

    async def refresh(self) -> None:
        """Read the file again, and connect anew where it has changed."""
        try:
            url = (await asyncio.to_thread(self._file.read_text)).strip()
        except (OSError, UnicodeDecodeError):
            url = ""
        if url != (self._url or ""):
            self._url = url or None
            self._replace(_connect(url) if url else None)
            self._knows_kind = False
        if self._client is not None and not self._knows_kind:
            await self._find_kind(self._client)

    @property
    def client(self) -> Redis:
        """The client.

        Raises:
            StoreUnavailableError: there is no address, or none that can be read.
        """
        if self._url is None:
            raise StoreUnavailableError("MissingSecret", self._missing())
        if self._client is None:
            raise StoreUnavailableError(
                "Unreachable",
                f"what {self._where()} holds is not a Redis address: write it as "
                "redis://[user:password@]host:port[/database], with rediss:// for TLS",
            )
        return self._client

    async def close(self) -> None:
        """Let go of connections."""
        await asyncio.gather(*self._closing, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    async def _find_kind(self, client: Redis) -> None:
        """A node of a cluster sends everyone elsewhere: there another client is needed."""
        try:
            found = await client.info("cluster")
        except (RedisError, OSError):
            return  # whoever asks it something will hear why
        self._knows_kind = True
        if found.get("cluster_enabled"):
            self._replace(_cluster(self._url or ""))

    def _replace(self, client: Redis | None) -> None:
        before, self._client = self._client, client
        if before is not None:
            task = asyncio.create_task(before.aclose())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _where(self) -> str:
        if self._secret is None:
            return f"the file {self._file}"
        name, _, key = self._secret.partition("/")
        return f"Secret {name}, key {key},"

    def _missing(self) -> str:
        if self._secret is None:
            return f"the address of Redis is missing: write it into {self._file}"
        name, _, key = self._secret.partition("/")
        return (
            f"Secret {name}, key {key}, is missing: kubectl create secret generic {name} "
            f"--from-literal={key}=redis://HOST:6379"
        )


def unavailable(error: Exception) -> StoreUnavailableError:
    """A failure of Redis in our words; the client's own may repeat the address."""
    match error:
        case AuthenticationError() | AuthorizationError():
            why = "it refuses the user or password of the address"
        case BusyLoadingError():
            why = "it is loading its data"
        case ReadOnlyError():
            why = "the address is that of a replica, which takes no writes"
        case RedisTimeoutError() | TimeoutError():
            why = f"it gave no answer within {COMMAND_SECONDS:g} s"
        case RedisConnectionError():
            why = "no connection to it can be made"
        case _:
            why = f"it answers with an error ({_code(error)})"
    return StoreUnavailableError("Unreachable", f"Redis cannot be used: {why}")


def _connect(url: str) -> Redis | None:
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=COMMAND_SECONDS,
            socket_timeout=COMMAND_SECONDS,
            socket_connect_timeout=COMMAND_SECONDS,
            health_check_interval=15,
            decode_responses=True,
            retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.2), _RETRIES),
            retry_on_error=[RedisConnectionError],
        )
    except (ValueError, RedisError):
        return None
    return Redis.from_pool(pool)


def _cluster(url: str) -> Redis:
    made = RedisCluster.from_url(
        url,
        max_connections=_CONNECTIONS,
        socket_timeout=COMMAND_SECONDS,
        socket_connect_timeout=COMMAND_SECONDS,
        health_check_interval=15,
        decode_responses=True,
        retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.2), _RETRIES),
    )
    # Other classes, and every method that is used here.
    return cast("Redis", made)


def _code(error: Exception) -> str:
    """The first word of an error answer, as in OOM or NOSCRIPT: the one part with no arguments."""
    word = str(error).split(" ", 1)[0]
    return word if word.isalpha() and word.isupper() else type(error).__name__
