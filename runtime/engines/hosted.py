"""What the hosted engines share: a client for the current key, and the SDKs' errors in our words.

The SDKs are imported when the first member that needs one is asked: each costs 50 to 80 MB.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from runtime.engines.base import EngineError
from runtime.engines.keys import KeyFile

CONNECT_SECONDS = 5.0
#: Backstop under the timeouts of whoever asks.
READ_SECONDS = 600.0
#: Statuses that speak of the request, not of the provider.
_REQUEST_AT_FAULT = frozenset({400, 413, 422})
_KEY_AT_FAULT = frozenset({401, 403})
#: Requests under way may outlive a rotation or two of their key.
_KEYS_KEPT_SECRET = 4


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
        self._used: deque[str] = deque(maxlen=_KEYS_KEPT_SECRET)

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
                self._used.append(key)
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

    def refusal(self, status: int | None, message: str) -> EngineError:
        """A provider's error status. Where it refuses the key, its own words may hold the key in
        any disguise, so ours stand instead."""
        if status in _KEY_AT_FAULT:
            return EngineError("Status", f"{status}: {self._key.refused()}")
        return EngineError(
            "Status",
            f"{status}: {self._discreet(message)}",
            blames_member=status not in _REQUEST_AT_FAULT,
        )

    def unreachable(self, error: Exception, *, began: bool) -> EngineError:
        """A connection that failed, or broke in the middle of an answer."""
        reason = self._discreet(str(error)) or type(error).__name__
        if began:
            return EngineError("CutStream", f"the connection broke in mid-answer: {reason}")
        return EngineError("Connect", reason)

    def aborted(self, message: str) -> EngineError:
        """The provider gave up."""
        return EngineError("Aborted", self._discreet(message))

    def not_our_language(self, error: ValueError) -> EngineError:
        """Something in the stream that the SDK could not read."""
        return EngineError("Protocol", f"the stream cannot be read: {self._discreet(str(error))}")

    def _discreet(self, message: str) -> str:
        """Someone else's words on one line, without our keys: they go to logs, to the status and
        to players."""
        for key in self._used:
            message = message.replace(key, "<the API key>")
        return " ".join(message.split())[:300]
