"""Anthropic's API over the official SDK."""

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from runtime.engines.base import Chunk, Prompt
from runtime.engines.hosted import CONNECT_SECONDS, READ_SECONDS, Clients
from runtime.engines.keys import KeyFile

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic
    from anthropic.types import RawMessageStreamEvent


class HostedAnthropic:
    """One member that Anthropic answers for."""

    def __init__(self, key: KeyFile, model: str, url: str | None) -> None:
        self._model = model
        self._url = url
        self._clients = Clients(key, self._make, lambda client: client.close())

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        """See Engine."""
        client = await self._clients.get()
        import anthropic
        import httpx2

        began = False
        try:
            answer = await client.messages.create(**self._request(prompt))
            async with answer:
                async for event in answer:
                    began = True
                    yield _chunk(event)
        except anthropic.APIStatusError as error:
            raise self._clients.refusal(error.status_code, error.message) from error
        except anthropic.APIConnectionError as error:
            raise self._clients.unreachable(error, began=began) from error
        except anthropic.APIError as error:
            raise self._clients.aborted(error.message) from error
        except httpx2.HTTPError as error:
            raise self._clients.unreachable(error, began=began) from error
        except ValueError as error:
            raise self._clients.not_our_language(error) from error

    async def check(self) -> None:
        """See Engine."""
        await self._clients.check()

    async def close(self) -> None:
        """See Engine."""
        await self._clients.close()

    def _make(self, key: str) -> "AsyncAnthropic":
        import httpx2
        from anthropic import AsyncAnthropic

        return AsyncAnthropic(
            api_key=key,
            base_url=self._url,
            max_retries=0,  # the vote goes on without it instead
            timeout=httpx2.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
        )

    def _request(self, prompt: Prompt) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self._model,
            "system": prompt.system,
            "messages": [{"role": "user", "content": prompt.user}],
            "max_tokens": prompt.max_tokens,
            "stream": True,
        }
        # Not every model takes these, so the SDK has no parameter for them; this API has no seed.
        extra: dict[str, Any] = {}
        if prompt.sampling.temperature is not None:
            extra["temperature"] = min(float(prompt.sampling.temperature), 1.0)
        if prompt.sampling.top_p is not None:
            extra["top_p"] = float(prompt.sampling.top_p)
        if extra:
            request["extra_body"] = extra
        if prompt.schema is not None:
            request["output_config"] = {"format": {"type": "json_schema", "schema": prompt.schema}}
        return request


def _chunk(event: "RawMessageStreamEvent") -> Chunk:
    if event.type == "message_start":
        return Chunk(prompt_tokens=event.message.usage.input_tokens)
    if event.type == "content_block_delta" and event.delta.type == "text_delta":
        return Chunk(text=event.delta.text)
    if event.type == "message_delta":
        return Chunk(finish=event.delta.stop_reason, completion_tokens=event.usage.output_tokens)
    return Chunk()
