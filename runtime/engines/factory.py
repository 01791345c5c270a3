"""From a route to the engine that serves it."""

from collections.abc import AsyncGenerator
from pathlib import Path

import aiohttp

from crds.routes import Route
from runtime.engines.base import Chunk, Engine, EngineError, Prompt
from runtime.engines.hosted_anthropic import HostedAnthropic
from runtime.engines.hosted_google import HostedGoogle
from runtime.engines.hosted_openai import HostedOpenAI
from runtime.engines.keys import KeyFile
from runtime.engines.openai_compatible import OpenAICompatible

#: For prose of llama.cpp members: small models fall into loops without it.
_REPETITION_PENALTY = 0.5


def engine_for(route: Route, http: aiohttp.ClientSession) -> Engine:
    """The engine of a route. Nothing is called or imported yet; a route that lacks what its engine
    needs gives an engine that says so whenever it is asked."""
    if route.engine in ("llamacpp", "vllm"):
        if route.url is None:
            return Unusable(f"the route of member {route.member} has no url")
        penalty = _REPETITION_PENALTY if route.engine == "llamacpp" else 0.0
        return OpenAICompatible(http, route.url, route.model, repetition_penalty=penalty)
    if route.key_file is None:
        return Unusable(f"the route of member {route.member} has no keyFile")
    key = KeyFile(route.member, Path(route.key_file), route.key_secret)
    match route.engine:
        case "openai":
            return HostedOpenAI(key, route.model, route.url)
        case "anthropic":
            return HostedAnthropic(key, route.model, route.url)
        case _:
            return HostedGoogle(key, route.model, route.url)


class Unusable:
    """An engine that cannot be asked."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        """See Engine."""
        await self.check()
        yield Chunk()

    async def check(self) -> None:
        """See Engine."""
        raise EngineError("NotReady", self._reason)

    async def close(self) -> None:
        """See Engine."""
