"""OpenAI's API, or one that speaks like it, over the official SDK."""

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from runtime.engines.base import Chunk, Prompt
from runtime.engines.hosted import CONNECT_SECONDS, READ_SECONDS, Clients
from runtime.engines.keys import KeyFile

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types.chat import ChatCompletionChunk


class HostedOpenAI:
    """One member that OpenAI answers for."""

    def __init__(self, key: KeyFile, model: str, url: str | None) -> None:
        self._model = model
        self._url = url
        self._clients = Clients(key, self._make, lambda client: client.close())

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        """See Engine."""
        client = await self._clients.get()
        import httpx2
        import openai

        began = False
        try:
            answer = await client.chat.completions.create(**self._request(prompt))
            async with answer:
                async for event in answer:
                    began = True
                    yield _chunk(event)
        except openai.APIStatusError as error:
            raise self._clients.refusal(error.status_code, error.message) from error
        except openai.APIConnectionError as error:
            raise self._clients.unreachable(error, began=began) from error
        except openai.APIError as error:
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

    def _make(self, key: str) -> "AsyncOpenAI":
        import httpx2
        from openai import AsyncOpenAI

        return AsyncOpenAI(
            api_key=key,
            base_url=None if self._url is None else f"{self._url.rstrip('/')}/v1",
            max_retries=0,  # the vote goes on without it instead
            timeout=httpx2.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
        )

    def _request(self, prompt: Prompt) -> dict[str, Any]:
        sampling = prompt.sampling
        request: dict[str, Any] = {
            "model": self._model,
            "messages": [
                {"role": "system", "content": prompt.system},
                {"role": "user", "content": prompt.user},
            ],
            "max_completion_tokens": prompt.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if sampling.temperature is not None:
            request["temperature"] = float(sampling.temperature)
        if sampling.top_p is not None:
            request["top_p"] = float(sampling.top_p)
        if sampling.seed is not None:
            request["seed"] = sampling.seed
        if prompt.schema is not None:
            request["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "strict": True, "schema": prompt.schema},
            }
        return request


def _chunk(event: "ChatCompletionChunk") -> Chunk:
    choice = event.choices[0] if event.choices else None
    return Chunk(
        text=(choice.delta.content or "") if choice and choice.delta else "",
        finish=choice.finish_reason if choice else None,
        prompt_tokens=event.usage.prompt_tokens if event.usage else None,
        completion_tokens=event.usage.completion_tokens if event.usage else None,
    )
