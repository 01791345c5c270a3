"""Google's Gemini API over the official SDK."""

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

import aiohttp

from runtime.engines.base import Chunk, Prompt
from runtime.engines.hosted import READ_SECONDS, Clients
from runtime.engines.keys import KeyFile

if TYPE_CHECKING:
    from google.genai.client import AsyncClient
    from google.genai.types import GenerateContentConfig, GenerateContentResponse


class HostedGoogle:
    """One member that Google answers for."""

    def __init__(self, key: KeyFile, model: str, url: str | None) -> None:
        self._model = model
        self._url = url
        self._clients = Clients(key, self._make, lambda client: client.aclose())

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        """See Engine."""
        client = await self._clients.get()
        from google.genai import errors

        began = False
        try:
            answer = await client.models.generate_content_stream(
                model=self._model, contents=prompt.user, config=_config(prompt)
            )
            async for event in answer:
                began = True
                yield _chunk(event)
        except errors.APIError as error:
            raise self._clients.refusal(error.code, error.message or "") from error
        except (aiohttp.ClientError, OSError) as error:
            raise self._clients.unreachable(error, began=began) from error
        except ValueError as error:
            raise self._clients.not_our_language(error) from error

    async def check(self) -> None:
        """See Engine."""
        await self._clients.check()

    async def close(self) -> None:
        """See Engine."""
        await self._clients.close()

    def _make(self, key: str) -> "AsyncClient":
        from google import genai
        from google.genai import types

        options = types.HttpOptions(
            base_url=self._url,
            timeout=int(READ_SECONDS * 1000),
            # One attempt: the vote goes on without it instead.
            retry_options=types.HttpRetryOptions(attempts=1),
        )
        return genai.Client(api_key=key, vertexai=False, http_options=options).aio


def _config(prompt: Prompt) -> "GenerateContentConfig":
    from google.genai import types

    sampling = prompt.sampling
    return types.GenerateContentConfig(
        system_instruction=prompt.system,
        max_output_tokens=prompt.max_tokens,
        temperature=None if sampling.temperature is None else float(sampling.temperature),
        top_p=None if sampling.top_p is None else float(sampling.top_p),
        seed=sampling.seed,
        response_mime_type=None if prompt.schema is None else "application/json",
        response_json_schema=prompt.schema,
    )


def _chunk(event: "GenerateContentResponse") -> Chunk:
    candidate = event.candidates[0] if event.candidates else None
    parts = (candidate.content.parts or []) if candidate and candidate.content else []
    usage = event.usage_metadata
    return Chunk(
        text="".join(part.text for part in parts if part.text and not part.thought),
        finish=candidate.finish_reason.value if candidate and candidate.finish_reason else None,
        prompt_tokens=usage.prompt_token_count if usage else None,
        completion_tokens=usage.candidates_token_count if usage else None,
    )
