"""Replicas that find decisions and outcomes at each other."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from runtime.gateway.peers import HEADER
from tests.unit.runtime.gateway.test_peers import MINE, judging, replica
from tests.unit.runtime.stubs.engine import Stub
from tests.unit.runtime.stubs.gateway import house
from tests.unit.runtime.stubs.redis import free_port


async def test_a_gateway_reads_decisions_of_another_and_answers_a_peer_alone(
    tmp_path: Path, redis_store: dict[str, Any]
) -> None:
    port = free_port()
    async with AsyncExitStack() as stack:
        asked = await stack.enter_async_context(replica("127.0.0.1", port))
        home = await stack.enter_async_context(
            house(
                tmp_path,
                Stub(answer="yes"),
                peers=f"127.0.0.1:{port}",
                **redis_store,
            )
        )
        url = f"/v1/decisions/{MINE.id}"
        assert (await home.client.get(url)).json()["id"] == MINE.id
        assert (await home.client.get(url, headers={HEADER: "1"})).status_code == 404
        assert (await home.client.get("/v1/decisions/d-7-00000000")).status_code == 404
        assert asked == [True, True]


async def test_an_outcome_is_taken_at_any_replica_and_a_peer_asks_no_further(
    tmp_path: Path, redis_store: dict[str, Any]
) -> None:
    port = free_port()
    url = f"/v1/decisions/{MINE.id}/outcome"
    body = {"answer": "yes", "source": "rules"}
    async with house(
        tmp_path, Stub(answer="yes"), peers=f"127.0.0.1:{port}", **redis_store
    ) as home:
        answer = await home.client.post(url, json=body)
        assert (answer.status_code, answer.json()["type"]) == (
            503,
            "urn:fabula:problem:not-everywhere",
        )
        async with judging("127.0.0.1", port, 404):
            assert (await home.client.post(url, json=body)).status_code == 404
        async with judging("127.0.0.1", port, 201) as asked:
            answer = await home.client.post(url, json=body)
            assert (answer.status_code, answer.json()["decision"]) == (201, MINE.id)
            again = await home.client.post(url, json=body, headers={HEADER: "1"})
            assert again.status_code == 404
        assert len(asked) == 1
