"""OpenAI's API, or one that speaks like it, over the official SDK."""

from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, Any

from runtime.engines import openai_format
from runtime.engines.base import Chunk, Prompt, Usage
from runtime.engines.hosted import READ_SECONDS, Faults, within

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types import CompletionUsage
    from openai.types.chat import ChatCompletionChunk


class OpenAI:
    """See Provider."""

    def __init__(self, *, logprobs: bool) -> None:
        self._logprobs = logprobs

    def connect(self, key: str, url: str | None) -> "AsyncOpenAI":
        """See Provider."""
        from openai import AsyncOpenAI

        return AsyncOpenAI(
            api_key=key,
            base_url=None if url is None else f"{url.rstrip('/')}/v1",
            max_retries=0,  # who asks knows when that is safe, and how much time is left
            timeout=within(READ_SECONDS),
        )

    async def disconnect(self, client: "AsyncOpenAI") -> None:
        """See Provider."""
        await client.close()

    def faults(self) -> Faults:
        """See Provider."""
        import httpx2
        import openai

        return Faults(
            refused=(openai.APIStatusError,),
            unreachable=(openai.APIConnectionError, httpx2.HTTPError),
            gave_up=(openai.APIError,),
        )

    async def stream(
        self, client: "AsyncOpenAI", model: str, prompt: Prompt, seconds: float
    ) -> AsyncGenerator[Chunk, None]:
        """See Provider."""
        request: dict[str, Any] = openai_format.request(
            model, prompt, limit="max_completion_tokens"
        ) | {"timeout": within(seconds)}
        if prompt.logprobs and self._logprobs:
            request["logprobs"] = True
        async with await client.chat.completions.create(**request) as answer:
            async for event in answer:
                yield _chunk(event)

    async def embed(
        self, client: "AsyncOpenAI", model: str, texts: Sequence[str], seconds: float
    ) -> list[list[float]]:
        """See Provider."""
        answer = await client.embeddings.create(
            model=model, input=list(texts), timeout=within(seconds)
        )
        return [item.embedding for item in sorted(answer.data, key=lambda item: item.index)]


def _chunk(event: "ChatCompletionChunk") -> Chunk:
    choice = event.choices[0] if event.choices else None
    logprobs = choice.logprobs.content if choice and choice.logprobs else None
    return Chunk(
        text=(choice.delta.content or "") if choice and choice.delta else "",
        finish=choice.finish_reason if choice else None,
        usage=_usage(event.usage) if event.usage else None,
        logprobs=tuple(token.logprob for token in logprobs or ()),
    )


def _usage(usage: "CompletionUsage") -> Usage:
    details = usage.prompt_tokens_details
    return Usage(
        usage.prompt_tokens,
        usage.completion_tokens,
        details.cached_tokens if details else None,
        details.cache_write_tokens if details else None,
    )
