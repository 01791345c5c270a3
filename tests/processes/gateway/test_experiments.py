"""Two experiments and a rollout at once: what the configuration service tells a session is the arm
that its gateway counts, whatever is restarted and however the shares grow, until it is aborted."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from math import sqrt
from pathlib import Path
from typing import Any

import aiohttp
import httpx

from crds.routes import Served
from crds.trials import Trial
from runtime.arms import arms_of
from runtime.audit import DecisionLog
from runtime.audit.kinds import AssignedEntry
from tests.processes.config.process import process
from tests.processes.gateway.test_failover import replicas
from tests.processes.gateway.test_observed import soon
from tests.unit.runtime.config.serving import write_config as write_world
from tests.unit.runtime.stubs.engine import Stub, running
from tests.unit.runtime.stubs.gateway import write_config, write_routes
from tests.unit.runtime.stubs.process import kill, start
from tests.unit.runtime.stubs.redis import free_port

SESSIONS, AT_ONCE = 1000, 16
GOLD, ASH = "gold-4", "ash-7"
#: By session, what each tunable is and why.
Told = dict[str, dict[str, tuple[Any, str, str]]]


def trials(gold: int, ash: int) -> list[dict[str, Any]]:
    """Two experiments that give each arm so many of a hundred sessions."""
    return [
        Trial(
            experiment=salt, salt=salt, percent=percent, tunables=values, watched_seconds=3600
        ).dump()
        for salt, percent, values in (
            (GOLD, gold, {"quest-gold": "140"}),
            (ASH, ash, {"ash-fall": "2.5"}),
        )
    ]


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """A gateway in a process of its own, which is killed in the end."""
    port = free_port()
    gateway = await asyncio.to_thread(start, folder, port)
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
            yield client
    finally:
        await asyncio.to_thread(kill, gateway)


async def asked(client: aiohttp.ClientSession, method: str, path: str, **more: Any) -> Any:
    async with client.request(method, path, **more) as answer:
        assert answer.status < 300, await answer.text()
        return await answer.json()


async def begin(gateway: aiohttp.ClientSession) -> list[str]:
    async def some(count: int) -> list[str]:
        return [(await asked(gateway, "POST", "/v1/sessions"))["id"] for _ in range(count)]

    batches = await asyncio.gather(*(some(SESSIONS // AT_ONCE) for _ in range(AT_ONCE)))
    return [session for batch in batches for session in batch]


async def read(config: aiohttp.ClientSession, sessions: Sequence[str]) -> Told:
    async def one(session: str) -> dict[str, tuple[Any, str, str]]:
        context = {"context": {"targetingKey": session}}
        flags = (await asked(config, "POST", "/ofrep/v1/evaluate/flags", json=context))["flags"]
        if session[2] == "0":  # one in sixteen asks in our own words too
            view = await asked(config, "GET", "/v1/config", params={"session": session})
            assert view["values"] == {flag["key"]: flag["value"] for flag in flags}
        return {
            flag["key"]: (flag["value"], flag["variant"], flag["reason"])
            for flag in flags
            if flag["key"] in ("quest-gold", "ash-fall")
        }

    async def some(part: Sequence[str]) -> Told:
        return {session: await one(session) for session in part}

    parts = await asyncio.gather(*(some(sessions[at::AT_ONCE]) for at in range(AT_ONCE)))
    return {session: told for part in parts for session, told in part.items()}


async def configured(gateway: httpx.AsyncClient, generation: int) -> bool:
    return bool((await gateway.get("/v1/status")).json()["configGeneration"] == generation)


async def follows(config: aiohttp.ClientSession, reason: str) -> bool:
    flag = await asked(config, "POST", "/ofrep/v1/evaluate/flags/quest-gold", json={})
    return bool(flag["reason"] == reason)


def expected(arms: dict[str, str]) -> dict[str, tuple[Any, str, str]]:
    """What a session in these arms is told."""
    told: dict[str, tuple[Any, str, str]] = {}
    for name, salt, default, tried in (
        ("quest-gold", GOLD, 120, 140),
        ("ash-fall", ASH, 1.0, 2.5),
    ):
        match arms.get(salt):
            case None:
                told[name] = (default, "default", "DEFAULT")
            case "Canary":
                told[name] = (tried, "canary", "SPLIT")
            case arm:
                told[name] = (default, arm.lower(), "SPLIT")
    return told


async def assigned(folder: Path) -> dict[str, dict[str, str]]:
    """By session and salt, the arms that the gateway's log counts."""
    log = DecisionLog(folder / "data" / "decisions")
    found: dict[str, dict[str, str]] = {}
    for number in range(len(log)):
        entry = log.entry(number)
        if isinstance(entry, AssignedEntry):
            found.setdefault(entry.session, {})[entry.rollout] = entry.arm
    await log.close()
    return found


def right(share: float, count: int, of: int) -> bool:
    """Whether a count is within 4 standard errors of its share."""
    return abs(count / of - share) <= 4 * sqrt(share * (1 - share) / of)


async def test_what_a_session_is_told_is_the_arm_that_is_counted(tmp_path: Path) -> None:
    world = tmp_path / "world"
    world.mkdir()
    async with running(Stub()) as stub:
        way = Served(revision="0000000b", engine="llamacpp", model="small", url=stub.url)
        split = {"salt": "r9", "member": "chronicler", "canary": [way.dump()], "percent": 20}
        write_routes(tmp_path, [stub], split={**split, "watchedSeconds": 3600})
        write_config(tmp_path, trials=trials(5, 40))
        write_world(world, trials=trials(5, 40))
        with process(world) as address:
            async with aiohttp.ClientSession(address) as config:
                async with served(tmp_path) as gateway:
                    early = await begin(gateway)
                    told = await read(config, early)
                write_config(tmp_path, trials=trials(20, 50), generation=4)
                write_world(world, trials=trials(20, 50), generation=2)
                async with served(tmp_path) as gateway:  # over the same volume, at the next step
                    late = await begin(gateway)
                    told |= await read(config, late)
                assert await read(config, early) == {each: told[each] for each in early}
                write_world(world, generation=3)  # aborted
                await soon(lambda: follows(config, "STATIC"))
                for arms in (await read(config, [*early, *late])).values():
                    assert arms == {
                        "quest-gold": (120, "default", "STATIC"),
                        "ash-fall": (1.0, "default", "STATIC"),
                    }
    counted = await assigned(tmp_path)
    assert {each: expected(counted.get(each, {})) for each in told} == told
    for sessions, shares in (
        (early, {GOLD: 0.05, ASH: 0.4, "r9": 0.2}),
        (late, {GOLD: 0.2, ASH: 0.5, "r9": 0.2}),
    ):
        counts = Counter(arm for each in sessions for arm in counted.get(each, {}).items())
        for salt, share in shares.items():
            for arm in ("Canary", "Baseline"):
                assert right(share, counts[salt, arm], len(sessions)), (salt, arm, counts)
    both = sum(
        counted.get(each, {}).get(GOLD) == counted.get(each, {}).get(ASH) == "Canary"
        for each in late
    )
    assert right(0.2 * 0.5, both, len(late))


async def test_a_player_whose_sessions_begin_everywhere_at_once_is_counted_once(
    tmp_path: Path, redis_store: dict[str, Any]
) -> None:
    tried = Trial(experiment="p", salt="p1", unit="Player", percent=50, watched_seconds=3600)
    players = [f"player-{number}" for number in range(20)]
    async with running(Stub()) as stub, replicas(tmp_path, stub, 2, redis_store) as made:
        write_config(tmp_path, trials=[tried.dump()], generation=4)
        async with made.client(0) as one, made.client(1) as other:
            for client in (one, other):
                await soon(partial(configured, client, 4))
            begun = await asyncio.gather(
                *(
                    client.post("/v1/sessions", json={"player": player})
                    for player in players
                    for client in (one, other, one)
                )
            )
            arms = {
                (answer.json()["player"], arm)
                for answer in begun
                for _, arm in arms_of(answer.json()["id"], [tried])
            }
            assert {player for player, _ in arms} == set(players)
            told = [
                (await client.get("/v1/observations", params={"rollout": "p1"})).json()
                for client in (one, other)
            ]
    counted = Counter(each["arm"] for log in told for each in log["observations"])
    assert counted == Counter(arm for _, arm in arms)
    assert sum(counted.values()) == len(players)
