"""The application: one gateway behind its API."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from runtime.gateway.gateway import Gateway
from runtime.gateway.interfaces.api import games, health
from runtime.gateway.interfaces.audit import audits
from runtime.gateway.interfaces.chat.routes import chat
from runtime.gateway.interfaces.shortcuts import Shortcut, Shortcuts
from runtime.gateway.interfaces.sockets import sockets
from runtime.gateway.metrics import Metrics
from runtime.gateway.settings import Settings
from runtime.web.application import Application
from runtime.web.cors import Cors
from runtime.web.middleware import Surroundings
from runtime.web.problems import install

_ABOUT = (
    "Decisions and prose for a game, from an ensemble of models. Begin a session, ask questions in "
    "it, read any decision again by its id. Errors are application/problem+json."
)


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

    app = Application("Fabula gateway", _ABOUT, lifespan)
    install(app)
    shortcuts: list[Shortcut] = []
    app.take(
        games(gateway, shortcuts),
        audits(gateway),
        chat(gateway, shortcuts),
        sockets(gateway),
        health(gateway),
    )
    app.add_middleware(Shortcuts, guards=lambda: gateway.guards, ways=shortcuts)
    app.add_middleware(
        Surroundings, refused=gateway.metrics.refused, max_bytes=settings.max_request_bytes
    )
    app.add_middleware(Cors, origins=lambda: gateway.origins)
    return app, gateway
