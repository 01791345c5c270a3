"""The application: one gateway behind its API."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from runtime.gateway.gateway import Gateway
from runtime.gateway.interfaces.api import games, probes
from runtime.gateway.interfaces.audit import audits
from runtime.gateway.interfaces.chat.routes import chat
from runtime.gateway.interfaces.cors import Cors
from runtime.gateway.interfaces.middleware import Surroundings
from runtime.gateway.interfaces.models import Problem
from runtime.gateway.interfaces.problems import install
from runtime.gateway.interfaces.shortcuts import Shortcut, Shortcuts
from runtime.gateway.interfaces.sockets import sockets
from runtime.gateway.metrics import Metrics
from runtime.gateway.settings import Settings

_ABOUT = (
    "Decisions and prose for a game, from an ensemble of models. Begin a session, ask questions in "
    "it, read any decision again by its id. Errors are application/problem+json."
)


class Application(FastAPI):
    """FastAPI, with our problems in the document."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        if self.openapi_schema is None:
            document = super().openapi()
            _, problem = models_json_schema(
                [(Problem, "serialization")], ref_template="#/components/schemas/{model}"
            )
            document["components"]["schemas"].update(problem["$defs"])
        assert self.openapi_schema is not None  # noqa: S101  (super().openapi() set it)
        return self.openapi_schema


def create(settings: Settings) -> tuple[Application, Gateway]:
    """The application and the gateway that it opens and closes."""
    gateway = Gateway(settings, Metrics())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await gateway.open()
        try:
            yield
        finally:
            await gateway.close()

    app = Application(
        title="Fabula gateway",
        version="v1",
        description=_ABOUT,
        lifespan=lifespan,
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
    )
    install(app)
    shortcuts: list[Shortcut] = []
    rooms = (
        games(gateway, shortcuts),
        audits(gateway),
        chat(gateway, shortcuts),
        sockets(gateway),
        probes(gateway),
    )
    for room in rooms:
        # Taken as they are: include_router would build each again when it is first asked for.
        app.router.routes += room.routes
    app.add_middleware(Shortcuts, guards=lambda: gateway.guards, ways=shortcuts)
    app.add_middleware(Surroundings, metrics=gateway.metrics, max_bytes=settings.max_request_bytes)
    app.add_middleware(Cors, origins=lambda: gateway.origins)
    return app, gateway
