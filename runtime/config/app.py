"""The application: one configuration service behind its APIs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from runtime.config import problems as _problems  # noqa: F401  (registers its words)
from runtime.config.api import games, health
from runtime.config.ofrep import as_form, flags
from runtime.config.service import ConfigService
from runtime.config.settings import Settings
from runtime.web.application import Application
from runtime.web.cors import Cors
from runtime.web.middleware import Surroundings
from runtime.web.problems import install

_ABOUT = (
    "The tunables of a World, for each session. In our own words at /v1/config, where errors are "
    "application/problem+json; and in those of OpenFeature's remote evaluation protocol (OFREP)."
)


def create(settings: Settings) -> tuple[Application, ConfigService]:
    """The application and the service that it opens and closes."""
    service = ConfigService(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.open()
        try:
            yield
        finally:
            await service.close()

    app = Application("Fabula configuration service", _ABOUT, lifespan)
    install(app, as_form)
    app.take(games(service), flags(service), health(service))
    app.add_middleware(
        Surroundings, refused=service.metrics.refused, max_bytes=settings.max_request_bytes
    )
    app.add_middleware(Cors, origins=lambda: service.origins)
    return app, service
