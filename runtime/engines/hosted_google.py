"""Google's Gemini API over the official SDK."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, cast

from runtime.engines.base import Chunk, EngineError, Prompt, Usage
from runtime.engines.hosted import READ_SECONDS, Faults

if TYPE_CHECKING:
    from google.genai.client import AsyncClient
    from google.genai.types import (
        ContentUnion,
        GenerateContentConfig,
        GenerateContentResponse,
        GenerateContentResponseUsageMetadata,
        HttpOptions,
    )

_ROLES = {"user": "user", "assistant": "model"}


class Google:
    """See Provider."""

    def __init__(self, *, logprobs: bool) -> None:
        self._logprobs = logprobs

    def connect(self, key: str, url: str | None) -> "AsyncClient":
        """See Provider."""
        from google import genai
        from google.genai import types

        options = types.HttpOptions(
            base_url=url,
            timeout=int(READ_SECONDS * 1000),
            # One attempt: who asks knows when another is safe, and how much time is left.
            retry_options=types.HttpRetryOptions(attempts=1),
        )
        return genai.Client(api_key=key, vertexai=False, http_options=options).aio

    async def disconnect(self, client: "AsyncClient") -> None:
        """See Provider."""
        await client.aclose()

    def faults(self) -> Faults:
        """See Provider."""
        import aiohttp
        import httpx2
        from google.genai import errors

        return Faults(
            refused=(errors.APIError,),
            unreachable=(aiohttp.ClientError, httpx2.HTTPError, OSError),
        )

    async def stream(
        self, client: "AsyncClient", model: str, prompt: Prompt, seconds: float
    ) -> AsyncGenerator[Chunk, None]:
        """See Provider."""
        answer = await client.models.generate_content_stream(
            model=model,
            contents=_contents(prompt),
            config=_config(prompt, seconds, logprobs=prompt.logprobs and self._logprobs),
        )
        # It is one, whatever its type says; unclosed, the model would go on.
        async with aclosing(
            cast("AsyncGenerator[GenerateContentResponse, None]", answer)
        ) as events:
            async for event in events:
                yield _chunk(event)

    async def embed(
        self, client: "AsyncClient", model: str, texts: Sequence[str], seconds: float
    ) -> list[list[float]]:
        """See Provider."""
        from google.genai import types

        answer = await client.models.embed_content(
            model=model,
            contents=list(texts),
            config=types.EmbedContentConfig(http_options=_within(seconds)),
        )
        vectors = [found.values or [] for found in answer.embeddings or ()]
        if len(vectors) != len(texts):
            raise EngineError("Protocol", f"{len(vectors)} embeddings came for {len(texts)} texts")
        return vectors


def _within(seconds: float) -> "HttpOptions":
    from google.genai import types

    # The SDK tells the server of it too, in whole seconds.
    return types.HttpOptions(timeout=max(1000, int(seconds * 1000)))


def _contents(prompt: Prompt) -> "list[ContentUnion]":
    from google.genai import types

    return [
        types.Content(role=_ROLES[said.role], parts=[types.Part(text=said.content)])
        for said in prompt.turns
    ]


def _config(prompt: Prompt, seconds: float, *, logprobs: bool) -> "GenerateContentConfig":
    from google.genai import types

    sampling = prompt.sampling
    return types.GenerateContentConfig(
        http_options=_within(seconds),
        system_instruction=prompt.system or None,
        max_output_tokens=prompt.max_tokens,
        temperature=None if sampling.temperature is None else float(sampling.temperature),
        top_p=None if sampling.top_p is None else float(sampling.top_p),
        seed=sampling.seed,
        stop_sequences=list(prompt.stop) or None,
        response_logprobs=logprobs or None,
        response_mime_type=None if prompt.schema is None else "application/json",
        response_json_schema=prompt.schema,
    )


def _chunk(event: "GenerateContentResponse") -> Chunk:
    candidate = event.candidates[0] if event.candidates else None
    parts = (candidate.content.parts or []) if candidate and candidate.content else []
    chosen = (
        candidate.logprobs_result.chosen_candidates
        if (candidate and candidate.logprobs_result)
        else None
    )
    return Chunk(
        text="".join(part.text for part in parts if part.text and not part.thought),
        finish=candidate.finish_reason.value if candidate and candidate.finish_reason else None,
        usage=_usage(event.usage_metadata) if event.usage_metadata else None,
        logprobs=tuple(token.log_probability or 0.0 for token in chosen or ()),
    )


def _usage(usage: "GenerateContentResponseUsageMetadata") -> Usage:
    said = usage.candidates_token_count
    # Thoughts are paid for like words.
    completion = None if said is None else said + (usage.thoughts_token_count or 0)
    return Usage(usage.prompt_token_count, completion, usage.cached_content_token_count)
