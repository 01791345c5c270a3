"""Anthropic's API over the official SDK."""

from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, Any

from runtime.engines.base import Chunk, Prompt, Usage
from runtime.engines.hosted import READ_SECONDS, Faults, not_offered, within

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic
    from anthropic.types import RawMessageStreamEvent


class Anthropic:
    """See Provider."""

    def connect(self, key: str, url: str | None) -> "AsyncAnthropic":
        """See Provider."""
        from anthropic import AsyncAnthropic

        return AsyncAnthropic(
            api_key=key,
            base_url=url,
            max_retries=0,  # who asks knows when that is safe, and how much time is left
            timeout=within(READ_SECONDS),
        )

    async def disconnect(self, client: "AsyncAnthropic") -> None:
        """See Provider."""
        await client.close()

    def faults(self) -> Faults:
        """See Provider."""
        import anthropic
        import httpx2

        return Faults(
            refused=(anthropic.APIStatusError,),
            unreachable=(anthropic.APIConnectionError, httpx2.HTTPError),
            gave_up=(anthropic.APIError,),
        )

    async def stream(
        self, client: "AsyncAnthropic", model: str, prompt: Prompt, seconds: float
    ) -> AsyncGenerator[Chunk, None]:
        """See Provider."""
        request = _request(model, prompt)
        async with await client.messages.create(**request, timeout=within(seconds)) as answer:
            async for event in answer:
                yield _chunk(event)

    async def embed(
        self, client: "AsyncAnthropic", model: str, texts: Sequence[str], seconds: float
    ) -> list[list[float]]:
        """See Provider."""
        return await not_offered("Anthropic")


def _request(model: str, prompt: Prompt) -> dict[str, Any]:
    sampling = prompt.sampling
    request: dict[str, Any] = {
        "model": model,
        "messages": [{"role": said.role, "content": said.content} for said in prompt.turns],
        "max_tokens": prompt.max_tokens,
        "stream": True,
    }
    if prompt.system:
        request["system"] = prompt.system
    if prompt.stop:
        request["stop_sequences"] = list(prompt.stop)
    # Not every model takes these, so the SDK has no parameter for them; this API has no seed.
    extra: dict[str, Any] = {}
    if sampling.temperature is not None:
        extra["temperature"] = min(float(sampling.temperature), 1.0)
    if sampling.top_p is not None:
        extra["top_p"] = float(sampling.top_p)
    if extra:
        request["extra_body"] = extra
    if prompt.schema is not None:
        request["output_config"] = {"format": {"type": "json_schema", "schema": prompt.schema}}
    return request


def _chunk(event: "RawMessageStreamEvent") -> Chunk:
    if event.type == "message_start":
        counted = event.message.usage
        read = counted.cache_read_input_tokens or 0
        written = counted.cache_creation_input_tokens or 0
        # This API counts what it found in its cache, or put there, apart.
        prompt = counted.input_tokens + read + written
        return Chunk(usage=Usage(prompt, cached=read, written=written))
    if event.type == "content_block_delta" and event.delta.type == "text_delta":
        return Chunk(text=event.delta.text)
    if event.type == "message_delta":
        return Chunk(
            finish=event.delta.stop_reason, usage=Usage(completion=event.usage.output_tokens)
        )
    return Chunk()
