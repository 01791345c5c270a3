"""What the hosted engines share: a client for the current key, and the SDKs' errors in our words.

The SDKs are imported when the first member that needs one is asked: each costs 50 to 80 MB.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from runtime.engines.base import EngineError
from runtime.engines.keys import KeyFile

CONNECT_SECONDS = 5.0
#: Backstop under the timeouts of whoever asks.
READ_SECONDS = 600.0
#: Statuses that speak of the request, not of the provider.
_REQUEST_AT_FAULT = frozenset({400, 413, 422})


Client = TypeVar("Client")


class Clients(Generic[Client]):
    """One client of an SDK, made again when the key changes."""

    def __init__(
        self,
        key: KeyFile,
        make: Callable[[str], Client],
        close: Callable[[Client], Awaitable[None]],
    ) -> None:
        self._key = key
        self._make = make
        self._close = close
        self._lock = asyncio.Lock()
        self._current: tuple[str, Client] | None = None

    async def get(self) -> Client:
        """The client for the key that stands in the file now.

        Raises:
            EngineError: there is no key.
        """
        key = self._key.read()
        async with self._lock:
            if self._current is None or self._current[0] != key:
                await self.close()
                # An import of seconds: not on the event loop.
                self._current = key, await asyncio.to_thread(self._make, key)
            return self._current[1]

    async def check(self) -> None:
        """Whether there is a key, and the SDK is loaded, so that no question waits for that. The
        provider is not called: it would cost money."""
        await self.get()

    async def close(self) -> None:
        """Close the client, if one was made."""
        if self._current is not None:
            client, self._current = self._current[1], None
            await self._close(client)


def refusal(status: int | None, message: str) -> EngineError:
    """A provider's error status. The message is the provider's; it never holds the key."""
    return EngineError(
        "Status",
        f"{status}: {' '.join(message.split())[:300]}",
        blames_member=status not in _REQUEST_AT_FAULT,
    )


def unreachable(error: Exception, *, began: bool) -> EngineError:
    """A connection that failed, or broke in the middle of an answer."""
    reason = str(error) or type(error).__name__
    if began:
        return EngineError("CutStream", f"the connection broke in mid-answer: {reason}")
    return EngineError("Connect", reason)


def not_our_language(error: ValueError) -> EngineError:
    """Something in the stream that the SDK could not read."""
    return EngineError("Protocol", f"the stream cannot be read: {str(error)[:200]}")
