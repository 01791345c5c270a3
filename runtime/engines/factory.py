"""From a route to the engine that serves it."""

from pathlib import Path

import aiohttp

from crds.routes import Route
from runtime.engines.base import Engine
from runtime.engines.hosted_anthropic import HostedAnthropic
from runtime.engines.hosted_google import HostedGoogle
from runtime.engines.hosted_openai import HostedOpenAI
from runtime.engines.keys import KeyFile
from runtime.engines.openai_compatible import OpenAICompatible


class RouteError(ValueError):
    """A route that lacks what its engine needs."""


def engine_for(route: Route, http: aiohttp.ClientSession) -> Engine:
    """The engine of a route. Nothing is called or imported yet.

    Raises:
        RouteError: a pod without an address, or a hosted engine without a key file.
    """
    match route.engine:
        case "llamacpp" | "vllm":
            if route.url is None:
                raise RouteError(f"route of member {route.member}: url is missing")
            return OpenAICompatible(http, route.url, route.model)
        case "openai":
            return HostedOpenAI(_key(route), route.model, route.url)
        case "anthropic":
            return HostedAnthropic(_key(route), route.model, route.url)
        case "google":
            return HostedGoogle(_key(route), route.model, route.url)


def _key(route: Route) -> KeyFile:
    if route.key_file is None:
        raise RouteError(f"route of member {route.member}: keyFile is missing")
    return KeyFile(route.member, Path(route.key_file), route.key_secret)
