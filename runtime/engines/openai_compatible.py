"""llama.cpp and vLLM pods: OpenAI's API over aiohttp, on connections that stay open."""

import asyncio
import math
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from runtime.engines import openai_format
from runtime.engines.base import Chunk, EngineError, Prompt
from runtime.engines.refusals import refused
from runtime.engines.sse import Events, LineTooLongError

#: To a pod of the same cluster. An answer's own time is bounded by whoever asks.
CONNECT_SECONDS = 3.0
#: A frozen process still accepts connections: only a read timeout notices.
CHECK_SECONDS = 2.0
#: How long the answer is of use to us, in milliseconds: the header that Envoy and Istio read.
TIMEOUT_HEADER = "x-request-timeout-ms"

_EVENT_STREAM = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Pod:
    """One member revision's Service, and how its engine is spoken to."""

    url: str
    model: str
    #: For prose, against loops.
    frequency_penalty: float = 0.0


class OpenAICompatible:
    """A pod that is asked. The HTTP session is shared and stays open."""

    def __init__(self, http: aiohttp.ClientSession, pod: Pod) -> None:
        self._http = http
        self._pod = pod
        self._url = pod.url.rstrip("/")

    async def stream(self, prompt: Prompt, seconds: float) -> AsyncGenerator[Chunk, None]:
        """See Engine."""
        began = False
        events = Events()
        try:
            async with self._post(
                "chat/completions", self._body(prompt), seconds, prompt
            ) as answer:
                await self._expect(answer, _EVENT_STREAM)
                async for piece in answer.content.iter_any():
                    began = True
                    if lines := events.feed(piece):
                        chunk, ended = openai_format.chunk(lines)
                        yield chunk
                        if isinstance(ended, EngineError):
                            raise ended
                        if ended:
                            return
        except aiohttp.ConnectionTimeoutError as error:
            raise EngineError("Connect", f"{self._url} took no connection", passing=True) from error
        except (aiohttp.ClientError, ConnectionError) as error:
            if began:
                raise EngineError("CutStream", "the connection broke in mid-answer") from error
            raise EngineError("Connect", f"{self._url}: {_reason(error)}", passing=True) from error
        except LineTooLongError as error:
            raise EngineError("Protocol", f"{self._url} does not speak server-sent events") from (
                error
            )

    async def embed(self, texts: Sequence[str], seconds: float) -> list[list[float]]:
        """See Engine."""
        body = {"model": self._pod.model, "input": list(texts)}
        try:
            async with asyncio.timeout(seconds):
                async with self._post("embeddings", body, seconds, None) as answer:
                    if answer.status in (404, 501):
                        raise EngineError(
                            "NotOffered", f"{self._url} makes no embeddings", blames_member=False
                        )
                    await self._expect(answer, "application/json")
                    return openai_format.vectors(await answer.read(), len(texts))
        except TimeoutError:
            raise EngineError("Timeout", "no embeddings within the time it had") from None
        except (aiohttp.ClientError, ConnectionError) as error:
            raise EngineError("Connect", f"{self._url}: {_reason(error)}", passing=True) from error

    async def check(self) -> None:
        """Ask ``/readyz``."""
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                async with self._http.get(f"{self._url}/readyz") as response:
                    if response.status != 200:
                        raise EngineError("NotReady", f"/readyz answers {response.status}")
        except TimeoutError as error:
            raise EngineError(
                "NotReady",
                f"/readyz gave no answer within {CHECK_SECONDS:g} s: the process accepts "
                "connections and does nothing",
            ) from error
        except (aiohttp.ClientError, ConnectionError) as error:
            raise EngineError("Connect", f"{self._url}: {_reason(error)}") from error

    async def close(self) -> None:
        """The session belongs to the gateway."""

    def _post(self, what: str, body: dict[str, Any], seconds: float, prompt: Prompt | None) -> Any:
        headers = {
            "content-type": "application/json",
            TIMEOUT_HEADER: str(math.ceil(seconds * 1000)),
        }
        if prompt is not None and prompt.traceparent:
            headers["traceparent"] = prompt.traceparent
        return self._http.post(
            f"{self._url}/v1/{what}", data=orjson.dumps(body), headers=headers, timeout=_TIMEOUT
        )

    async def _expect(self, answer: aiohttp.ClientResponse, media_type: str) -> None:
        if answer.status != 200:
            said = (await answer.content.read(300)).decode(errors="replace")
            raise refused(answer.status, f"{answer.reason}: {said}", answer.headers)
        if answer.content_type != media_type:
            raise EngineError(
                "Protocol", f"{self._url} answers with {answer.content_type}, not {media_type}"
            )

    def _body(self, prompt: Prompt) -> dict[str, Any]:
        body = openai_format.request(self._pod.model, prompt, limit="max_tokens")
        if prompt.logprobs:
            body["logprobs"] = True
        if prompt.schema is None and self._pod.frequency_penalty:
            body["frequency_penalty"] = self._pod.frequency_penalty
        return body


_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)


def _reason(error: Exception) -> str:
    cause = getattr(error, "os_error", None)
    return str(getattr(cause, "strerror", None) or error) or type(error).__name__
