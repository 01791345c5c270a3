"""Sessions of a rollout whose gateways are killed: each has one outcome, with all of its turns."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from crds.observations import Observations
from crds.routes import Served
from tests.processes.gateway.test_failover import Replicas, persist, replicas
from tests.unit.runtime.stubs.engine import Stub, running
from tests.unit.runtime.stubs.gateway import write_routes

SESSIONS = 8
#: Long enough for all turns and kills, as outcomes are due a few seconds after it.
WATCHED_SECONDS = 10


def say(request: dict[str, Any]) -> str:
    """Empty to those who ask for it."""
    return "" if "Fail" in request["messages"][-1]["content"] else "yes"


async def soon(holds: Callable[[], Awaitable[bool]], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.05)


async def observed(made: Replicas, replica: int) -> Observations:
    async with made.client(replica) as client:
        answer = await client.get("/v1/observations", params={"rollout": "s1"})
    assert answer.status_code == 200, answer.text
    return Observations.model_validate_json(answer.content)


async def tell(made: Replicas, replica: int, session: str, key: str, *, fails: bool) -> Any:
    question = {"question": "Fail?" if fails else "Is it so?", "options": ["yes", "no"]}

    async def ask() -> Any:
        async with made.client(replica) as client:
            return await client.post(
                f"/v1/sessions/{session}/decisions", json=question, headers={"Idempotency-Key": key}
            )

    decision = (await persist(ask)).json()["id"]
    async with made.client(replica) as client:
        return (await client.get(f"/v1/decisions/{decision}")).json()


async def rolled_out(made: Replicas, stub: Stub) -> None:
    served = Served(revision="0000000b", engine="llamacpp", model="small", url=stub.url)
    split = {
        "salt": "s1",
        "member": "chronicler",
        "percent": 50,
        "canary": [served.dump()],
        "watchedSeconds": WATCHED_SECONDS,
    }
    write_routes(made.folder, [stub], generation=8, timeout_seconds=1, split=split)

    async def follows(replica: int) -> bool:
        async with made.client(replica) as client:
            return bool((await client.get("/v1/status")).json()["routesGeneration"] == 8)

    for replica in range(2):
        await soon(partial(follows, replica))


async def test_killed_gateways_change_no_outcome(
    tmp_path: Path, redis_store: dict[str, Any]
) -> None:
    stub = Stub(say=say)
    async with running(stub), replicas(tmp_path, stub, 2, redis_store) as made:
        await rolled_out(made, stub)
        async with made.client(0) as client:
            begun = [(await client.post("/v1/sessions")).json()["id"] for _ in range(SESSIONS)]
        expected = []
        for at, session in enumerate(begun):
            fails = at % 2 == 0
            await tell(made, 0, session, "one", fails=False)
            record = await tell(made, 1, session, "two", fails=fails)
            if record["arm"] != "Rest":
                values = {"member-errors": float(fails), "fallbacks": float(fails)}
                values["deadline-misses"] = 0.0
                expected.append((record["arm"], values))
        for replica in range(2):
            await made.kill(replica)
            await made.start(replica)
        for at, session in enumerate(begun):  # repeated, as by a game that heard no answer
            await tell(made, 0, session, "two", fails=at % 2 == 0)

        async def told() -> bool:
            return len((await observed(made, 0)).observations) >= 2 * len(expected)

        await soon(told)
        await made.kill(0)
        await made.start(0)
        found = [each for each in (await observed(made, 0)).observations if each.kind == "Outcome"]
        assert sorted((each.arm, str(each.values)) for each in found) == sorted(
            (arm, str(values)) for arm, values in expected
        )
        assert (await observed(made, 1)).observations == []
