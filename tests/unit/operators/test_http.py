"""The operator's own endpoints."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from operators import http
from operators.metrics import Metrics

Client = TestClient[aiohttp.web.Request, aiohttp.web.Application]


class Faults:
    def __init__(self) -> None:
        self.loop: str | None = None
        self.api: str | None = None


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
async def client(faults: Faults) -> AsyncIterator[Client]:
    app = http.application(
        Metrics().registry,
        health={"loop": lambda: faults.loop},
        readiness={"api": lambda: faults.api, "loop": lambda: faults.loop},
    )
    async with TestClient(TestServer(app)) as opened:
        yield opened


async def test_well(client: Client) -> None:
    for path in ("/livez", "/healthz", "/readyz"):
        assert (await client.get(path)).status == 200


async def test_what_is_wrong_is_said_where_it_matters(client: Client, faults: Faults) -> None:
    faults.api = "no answer about the Lease for 15 s"
    answer = await client.get("/readyz")
    assert answer.status == 503
    assert await answer.json() == {"api": "no answer about the Lease for 15 s", "loop": "ok"}
    assert (await client.get("/healthz")).status == 200
    faults.loop = "stuck"
    assert (await client.get("/healthz")).status == 503
    assert (await client.get("/livez")).status == 200


async def test_metrics_are_in_the_format_of_prometheus(client: Client) -> None:
    answer = await client.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    text = await answer.text()
    assert "fabula_leader 0.0" in text
    assert "process_resident_memory_bytes" in text


async def test_a_free_port_is_found_when_none_is_asked_for() -> None:
    runner, port = await http.serve(http.application(Metrics().registry, {}, {}), 0)
    assert port > 0
    await runner.cleanup()
