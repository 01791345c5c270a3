"""A configuration service in this process: its file, its life, a client for it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from crds.config import CONFIG_KEY, WorldConfig
from runtime.config.app import create
from runtime.config.service import ConfigService
from runtime.config.settings import Settings
from tests.unit.runtime.stubs.waiting import eventually

#: One of each type.
TUNABLES: list[dict[str, Any]] = [
    {"name": "quest-gold", "type": "Integer", "default": "120"},
    {"name": "permadeath", "type": "Boolean", "default": "false", "locked": True},
    {"name": "ash-fall", "type": "Number", "default": "1"},
    {"name": "hour", "type": "String", "default": "dusk", "oneOf": ["dusk", "dawn"]},
    {"name": "loot", "type": "Object", "default": '{"ore": {"iron": 3}}'},
]
VALUES = {
    "ash-fall": 1.0,
    "hour": "dusk",
    "loot": {"ore": {"iron": 3}},
    "permadeath": False,
    "quest-gold": 120,
}


def write_config(folder: Path, **changes: Any) -> None:
    """The operator's word on what is served."""
    said = {"world": "emberfall", "generation": 1, "digest": "d1", "tunables": TUNABLES, **changes}
    fresh = folder / ".new"
    fresh.write_text(json.dumps(WorldConfig.model_validate_json(json.dumps(said)).dump()))
    fresh.replace(folder / CONFIG_KEY)


def with_gold(gold: int) -> list[dict[str, Any]]:
    """The tunables with another amount of gold."""
    return [{**TUNABLES[0], "default": str(gold)}, *TUNABLES[1:]]


@dataclass
class Config:
    """A running service and what stands around it."""

    client: httpx.AsyncClient
    service: ConfigService
    folder: Path

    async def configure(self, **changes: Any) -> None:
        """Give it another configuration, and wait until it has it."""
        generation = self.service.catalogue.config.generation + 1
        write_config(self.folder, generation=generation, **changes)
        await eventually(lambda: self.service.catalogue.config.generation == generation)

    @property
    def waiting(self) -> float | None:
        """Requests that wait for a change."""
        return self.service.metrics.registry.get_sample_value("fabula_config_waiting")

    async def tag(self) -> str:
        """The ETag of what is served now."""
        return (await self.client.get("/v1/config")).headers["etag"]


@asynccontextmanager
async def serving(folder: Path, **settings: Any) -> AsyncIterator[Config]:
    """A service over the file in ``folder``; it need not be there."""
    app, service = create(Settings.model_validate({"config_file": folder / CONFIG_KEY, **settings}))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://config") as client,
    ):
        yield Config(client, service, folder)
