"""A gateway over stub engines, in this process: its files, its life, a client for it."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from crds.gateway import CONFIG_KEY, GatewayConfig
from crds.routes import ROUTES_KEY, Route, RouteTable
from runtime.gateway.app import create
from runtime.gateway.gateway import Gateway
from runtime.gateway.settings import Settings
from tests.unit.runtime.stubs.engine import Stub, running
from tests.unit.runtime.stubs.waiting import eventually

NAMES = ("chronicler", "oracle", "jester")
WEIGHTS = (4, 4, 2)
#: Seeds of decisions that stop as soon as they are settled, and that run to completion.
STOPS_EARLY, RUNS_ON = "early", "on 35"


@dataclass
class House:
    """A running gateway and what stands around it."""

    client: httpx.AsyncClient
    gateway: Gateway
    stubs: list[Stub]
    folder: Path

    async def session(self, **fields: Any) -> str:
        """The id of a new session."""
        answer = await self.client.post("/v1/sessions", json=fields)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def decide(self, session: str, **fields: Any) -> dict[str, Any]:
        """A decision."""
        answer = await self.client.post(f"/v1/sessions/{session}/decisions", json=fields)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def write_routes(self, **changes: Any) -> None:
        """Give the gateway another route table."""
        write_routes(self.folder, self.stubs, **changes)

    async def configure(self, **changes: Any) -> None:
        """Give the gateway another configuration, and wait until it has it."""
        before = self.gateway.following.config
        generation = before.generation + 1 if before else 1
        write_config(self.folder, generation=generation, **changes)
        await eventually(
            lambda: (config := self.gateway.following.config) and config.generation == generation
        )


def write_config(folder: Path, **changes: Any) -> None:
    """The operator's word on who this gateway is."""
    config = GatewayConfig.model_validate(
        {
            "storyteller": "bard",
            "namespace": "default",
            "generation": 3,
            "world": "emberfall",
            "title": "Emberfall",
            "lore": "Ash falls like snow.",
            "persona": "You are the bard.",
            "fallback_lines": ["The bard waits.", "Ash drifts past."],
            "routes_config_map": "narrators-routes",
            **changes,
        }
    )
    _replace(folder / CONFIG_KEY, config)


def write_routes(folder: Path, stubs: Sequence[Stub], **changes: Any) -> None:
    """The operator's word on whom to ask."""
    weights = changes.pop("weights", WEIGHTS)
    table = RouteTable.model_validate(
        {
            "ensemble": "narrators",
            "generation": 7,
            "timeout_seconds": 5,
            "minimum_votes": 2,
            "when_no_quorum": "BestMember",
            "routes": [
                Route(
                    member=name,
                    revision="0000000a",
                    weight=weight,
                    engine="llamacpp",
                    model="small",
                    url=stub.url,
                    role=f"You are the {name}.",
                    timeout_seconds=5,
                )
                for name, weight, stub in zip(NAMES, weights, stubs, strict=False)
            ],
            **changes,
        }
    )
    _replace(folder / ROUTES_KEY, table)


def _replace(path: Path, document: GatewayConfig | RouteTable) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(document.dump()))
    fresh.replace(path)


@asynccontextmanager
async def serving(
    folder: Path, **settings: Any
) -> AsyncIterator[tuple[httpx.AsyncClient, Gateway]]:
    """A gateway over the files in ``folder``."""
    app, gateway = create(
        Settings.model_validate(
            {
                "config_file": folder / CONFIG_KEY,
                "routes_file": folder / ROUTES_KEY,
                "data_dir": folder / "data",
                **settings,
            }
        )
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://gateway") as client,
    ):
        gateway.council.draw = lambda: STOPS_EARLY
        yield client, gateway


@asynccontextmanager
async def house(folder: Path, *stubs: Stub, **settings: Any) -> AsyncIterator[House]:
    """A gateway with these engines behind it, ready to be asked."""
    async with AsyncExitStack() as stack:
        alive = [await stack.enter_async_context(running(stub)) for stub in stubs]
        write_config(folder)
        write_routes(folder, alive)
        client, gateway = await stack.enter_async_context(serving(folder, **settings))
        await eventually(
            lambda: (
                gateway.unready is None
                and gateway.voices.seats
                and all(seat.member.voice.answers for seat in gateway.voices.seats)
            )
        )
        yield House(client, gateway, alive, folder)
