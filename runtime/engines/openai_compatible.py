"""llama.cpp and vLLM pods: OpenAI's chat API as server-sent events over aiohttp."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
from aiohttp.http_exceptions import LineTooLong

from runtime.engines.base import Chunk, EngineError, Prompt

#: To a pod of the same cluster. An answer's own time is bounded by whoever asks.
CONNECT_SECONDS = 3.0
#: A frozen process still accepts connections: only a read timeout notices.
CHECK_SECONDS = 2.0
#: Statuses that speak of the request, not of the engine.
_REQUEST_AT_FAULT = frozenset({400, 413, 422})


class OpenAICompatible:
    """One member revision's Service. The HTTP session is shared and stays open."""

    def __init__(
        self, http: aiohttp.ClientSession, url: str, model: str, *, repetition_penalty: float = 0.0
    ) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._model = model
        self._repetition_penalty = repetition_penalty

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        """See Engine."""
        headers = {"traceparent": prompt.traceparent} if prompt.traceparent else {}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
        began = False
        try:
            async with self._http.post(
                f"{self._url}/v1/chat/completions",
                json=self._body(prompt),
                headers=headers,
                timeout=timeout,
            ) as response:
                if response.status != 200:
                    raise await _refusal(response)
                began = True
                async for line in response.content:
                    data = line.removeprefix(b"data:").strip()
                    if data == b"[DONE]":
                        return
                    if data and line.startswith(b"data:"):
                        yield _chunk(data)
        except aiohttp.ConnectionTimeoutError as error:
            raise EngineError("Connect", f"{self._url} took no connection") from error
        except (aiohttp.ClientError, ConnectionError) as error:
            if began:
                raise EngineError("CutStream", "the connection broke in mid-answer") from error
            raise EngineError("Connect", f"{self._url}: {_reason(error)}") from error
        except (ValueError, LineTooLong) as error:
            raise EngineError("Protocol", f"{self._url} does not speak server-sent events") from (
                error
            )

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

    def _body(self, prompt: Prompt) -> dict[str, Any]:
        sampling = prompt.sampling
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [
                {"role": "system", "content": prompt.system},
                {"role": "user", "content": prompt.user},
            ],
            "max_tokens": prompt.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if sampling.temperature is not None:
            body["temperature"] = float(sampling.temperature)
        if sampling.top_p is not None:
            body["top_p"] = float(sampling.top_p)
        if sampling.seed is not None:
            body["seed"] = sampling.seed
        if prompt.schema is not None:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "strict": True, "schema": prompt.schema},
            }
        elif self._repetition_penalty:
            body["frequency_penalty"] = self._repetition_penalty
        return body


def _chunk(data: bytes) -> Chunk:
    try:
        event = json.loads(data)
    except ValueError as error:
        raise EngineError("Protocol", "the stream holds something that is not JSON") from error
    if not isinstance(event, dict):
        raise EngineError("Protocol", "the stream holds something that is not an object")
    if event.get("error"):
        raise EngineError("Aborted", f"the engine reports {json.dumps(event['error'])[:300]}")
    try:
        usage = event.get("usage") or {}
        choice = (event.get("choices") or [{}])[0]
        return Chunk(
            text=str((choice.get("delta") or {}).get("content") or ""),
            finish=choice.get("finish_reason"),
            prompt_tokens=usage.get("prompt_tokens"),
            completion_tokens=usage.get("completion_tokens"),
        )
    except (AttributeError, LookupError, TypeError) as error:
        raise EngineError("Protocol", "the stream is not OpenAI's chat format") from error


async def _refusal(response: aiohttp.ClientResponse) -> EngineError:
    body = (await response.content.read(300)).decode(errors="replace")
    return EngineError(
        "Status",
        f"{response.status} {response.reason}: {' '.join(body.split())}",
        blames_member=response.status not in _REQUEST_AT_FAULT,
    )


def _reason(error: Exception) -> str:
    cause = getattr(error, "os_error", None)
    return str(getattr(cause, "strerror", None) or error) or type(error).__name__
