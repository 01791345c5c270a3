"""The hosted engines: one way to ask over an official SDK. What differs between the SDKs, their
names, is a Provider each.

The SDKs are imported when the first member that needs one is asked: each costs 50 to 80 MB.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from runtime.engines.base import Chunk, EngineError, Prompt
from runtime.engines.keys import KeyFile
from runtime.engines.refusals import refused

if TYPE_CHECKING:
    import httpx2

CONNECT_SECONDS = 5.0
#: Backstop under the time that each call is given.
READ_SECONDS = 600.0
_KEY_AT_FAULT = frozenset({401, 403})
#: Requests under way may outlive a rotation or two of their key.
_KEYS_KEPT_SECRET = 4

_GAVE_UP = "the provider reports a failure in its answer"

Errors = tuple[type[Exception], ...]


@dataclass(frozen=True, slots=True)
class Faults:
    """An SDK's exceptions by what they mean. They are looked at in this order."""

    #: An error status, or an error in mid-stream: has ``message`` and ``response``.
    refused: Errors
    unreachable: Errors
    #: The provider says in other words that it failed.
    gave_up: Errors = ()


class Provider(Protocol):
    """One provider's API over its SDK, whose clients and events are its own matter."""

    def connect(self, key: str, url: str | None) -> Any:
        """A client. Slow the first time: it imports the SDK."""
        ...

    async def disconnect(self, client: Any) -> None:
        """Close a client."""
        ...

    def faults(self) -> Faults:
        """What the SDK raises."""
        ...

    def stream(
        self, client: Any, model: str, prompt: Prompt, seconds: float
    ) -> AsyncGenerator[Chunk, None]:
        """Ask once."""
        ...

    async def embed(
        self, client: Any, model: str, texts: Sequence[str], seconds: float
    ) -> list[list[float]]:
        """See Engine."""
        ...


class Hosted:
    """One member that a provider answers for. Its client is made again when the key changes."""

    def __init__(self, provider: Provider, key: KeyFile, model: str, url: str | None) -> None:
        self._provider = provider
        self._key = key
        self._model = model
        self._url = url
        self._lock = asyncio.Lock()
        self._current: tuple[str, Any] | None = None
        self._used: deque[str] = deque(maxlen=_KEYS_KEPT_SECRET)

    async def stream(self, prompt: Prompt, seconds: float) -> AsyncGenerator[Chunk, None]:
        """See Engine."""
        client = await self._client()
        began = False
        try:
            answer = self._provider.stream(client, self._model, prompt, seconds)
            async with aclosing(answer):
                async for chunk in answer:
                    began = True
                    yield chunk
        except (EngineError, TimeoutError):
            raise
        except Exception as error:
            raise self._failure(error, began=began) from error

    async def embed(self, texts: Sequence[str], seconds: float) -> list[list[float]]:
        """See Engine."""
        client = await self._client()
        try:
            async with asyncio.timeout(seconds):
                return await self._provider.embed(client, self._model, texts, seconds)
        except TimeoutError:
            raise EngineError("Timeout", "no embeddings within the time it had") from None
        except EngineError:
            raise
        except Exception as error:
            raise self._failure(error, began=False) from error

    async def check(self) -> None:
        """Whether there is a key, and the SDK is loaded, so that no question waits for that. The
        provider is not called: it would cost money."""
        await self._client()

    async def close(self) -> None:
        """See Engine."""
        if self._current is not None:
            client, self._current = self._current[1], None
            await self._provider.disconnect(client)

    async def _client(self) -> Any:
        """The client for the key that stands in the file now."""
        key = self._key.read()
        async with self._lock:
            if self._current is None or self._current[0] != key:
                await self.close()
                # An import of seconds: not on the event loop.
                made = await asyncio.to_thread(self._provider.connect, key, self._url)
                self._current = key, made
                self._used.append(key)
            return self._current[1]

    def _failure(self, error: Exception, *, began: bool) -> EngineError:
        """An SDK's exception in our words."""
        faults = self._provider.faults()
        if isinstance(error, faults.refused):
            return self._refusal(error)
        reason = self._discreet(getattr(error, "message", None) or str(error))
        if isinstance(error, faults.unreachable):
            reason = reason or type(error).__name__
            if began:
                return EngineError("CutStream", f"the connection broke in mid-answer: {reason}")
            return EngineError("Connect", reason, passing=True)
        if isinstance(error, faults.gave_up):
            return EngineError("Aborted", _GAVE_UP, words=reason)
        if isinstance(error, ValueError):
            return EngineError("Protocol", "the stream cannot be read", words=reason)
        return EngineError("Protocol", type(error).__name__, words=reason)

    def _refusal(self, error: Any) -> EngineError:
        """Where a provider refuses the key, its own words may hold the key in any disguise, so
        ours stand instead."""
        response = error.response
        answered = getattr(response, "status_code", None) or getattr(response, "status", None)
        if not isinstance(answered, int) or answered < HTTPStatus.BAD_REQUEST:
            # It accepted the question, and reports a failure within its answer.
            return EngineError("Aborted", _GAVE_UP, words=self._discreet(error.message or ""))
        if answered in _KEY_AT_FAULT:
            return EngineError("Status", f"{answered}: {self._key.refused()}")
        return refused(answered, self._discreet(error.message or ""), response.headers)

    def _discreet(self, message: str) -> str:
        """Someone else's words on one line, without our keys: whoever asked may read them."""
        for key in self._used:
            message = message.replace(key, "<the API key>")
        return " ".join(message.split())[:300]


def within(seconds: float) -> "httpx2.Timeout":
    """How long to wait for a connection, and for each piece of an answer."""
    import httpx2

    return httpx2.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS))


async def not_offered(what: str) -> list[list[float]]:
    """The answer of a provider that cannot do that."""
    raise EngineError("NotOffered", f"{what} makes no embeddings", blames_member=False)
