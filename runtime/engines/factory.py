"""From a route to the engine that serves it."""

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import aiohttp

from crds.routes import Route
from runtime.engines.base import Chunk, Engine, EngineError, Prompt
from runtime.engines.catalogue import known
from runtime.engines.hosted import Hosted, Provider
from runtime.engines.hosted_anthropic import Anthropic
from runtime.engines.hosted_google import Google
from runtime.engines.hosted_openai import OpenAI
from runtime.engines.keys import KeyFile
from runtime.engines.openai_compatible import OpenAICompatible, Pod

#: For prose of llama.cpp members: small models fall into loops without it.
_FREQUENCY_PENALTY = {"llamacpp": 0.5, "vllm": 0.0}


def engine_for(route: Route, http: aiohttp.ClientSession) -> Engine:
    """The engine of a route. Nothing is called or imported yet; a route that lacks what its engine
    needs gives an engine that says so whenever it is asked."""
    penalty = _FREQUENCY_PENALTY.get(route.engine)
    if penalty is not None:
        if route.url is None:
            return Unusable(f"the route of member {route.member} has no url")
        return OpenAICompatible(http, Pod(route.url, route.model, penalty))
    if route.key_file is None:
        return Unusable(f"the route of member {route.member} has no keyFile")
    key = KeyFile(route.member, Path(route.key_file), route.key_secret)
    return Hosted(_provider(route), key, route.model, route.url)


def _provider(route: Route) -> Provider:
    match route.engine:
        case "openai":
            return OpenAI(logprobs=known(route).logprobs)
        case "anthropic":
            return Anthropic()
        case _:
            return Google(logprobs=known(route).logprobs)


class Unusable:
    """An engine that cannot be asked."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    async def stream(self, prompt: Prompt, seconds: float) -> AsyncGenerator[Chunk, None]:
        """See Engine."""
        await self.check()
        yield Chunk()

    async def embed(self, texts: Sequence[str], seconds: float) -> list[list[float]]:
        """See Engine."""
        await self.check()
        return []

    async def check(self) -> None:
        """See Engine."""
        raise EngineError("NotReady", self._reason)

    async def close(self) -> None:
        """See Engine."""
