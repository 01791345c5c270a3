"""What only the shared store can get wrong: its address, its absence, and logs of several
gateways."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.crc import key_slot

from runtime.audit import DecisionLog, Record
from runtime.sessions import (
    Claim,
    Decided,
    SessionStore,
    StoreUnavailableError,
    Summary,
    TurnLostError,
    TurnUnderWayError,
)
from runtime.sessions import redis as rooms
from runtime.sessions.hot import HotStore, unavailable
from runtime.sessions.redis import RedisSessions
from runtime.sessions.sqlite import SqliteSessions
from tests.processes.sessions.conftest import way_to
from tests.unit.runtime.sessions.conftest import Lifetime
from tests.unit.runtime.sessions.records import of
from tests.unit.runtime.stubs.redis import free_port, redis_server
from tests.unit.runtime.stubs.waiting import eventually

LEASE = 20.0
PASSWORD = "Tr0ub4dor"


class Replica:
    """One gateway's log and its way to the store that all share."""

    def __init__(self, log: DecisionLog, store: Any) -> None:
        self.log = log
        self.store = store

    async def logged(self, claim: Claim, key: str) -> Record:
        return await self.log.append(of(claim, key=key).model_copy(update={"id": ""}))


@pytest.fixture
async def replicas(
    tmp_path: Path, redis_url: str, lifetime: Lifetime
) -> AsyncIterator[list[Replica]]:
    """Two of them."""
    name = f"test/{secrets.token_hex(4)}"
    async with way_to(redis_url, tmp_path) as hot:
        made = [
            Replica(DecisionLog(tmp_path / str(n)), RedisSessions(hot, name, lifetime))
            for n in range(2)
        ]
        for each in made:
            await each.store.catch_up(each.log)
        yield made
        for each in made:
            await each.store.close()
            await each.log.close()


async def claimed(store: SessionStore, session: str, key: str, lease: float = LEASE) -> Claim:
    claim = await store.begin(session, key, lease)
    assert isinstance(claim, Claim)
    return claim


async def test_any_replica_tells_any_turn(replicas: list[Replica]) -> None:
    one, other = replicas
    session = (await one.store.create("Mara", None)).id
    claim = await claimed(one.store, session, "k1")
    with pytest.raises(TurnUnderWayError):
        await other.store.begin(session, "k1", LEASE)
    record = await one.logged(claim, "k1")
    await one.store.finish(claim, record)
    again = await other.store.begin(session, "k1", LEASE)
    assert again == Decided(record.id, record)
    assert (await claimed(other.store, session, "k2")).number == 2


async def test_a_killed_replica_that_returns_first_has_told_its_turn(
    replicas: list[Replica], tmp_path: Path, redis_url: str
) -> None:
    one, other = replicas
    session = (await one.store.create(None, None)).id
    record = await one.logged(await claimed(one.store, session, "k"), "k")
    # It is killed here, and starts again.
    await one.store.catch_up(one.log)
    one.store._trouble = StoreUnavailableError("Unreachable", "it has just started")
    await one.store._look()
    found = await other.store.begin(session, "k", LEASE)
    assert found == Decided(record.id, record), "and nobody waits for the end of its claim"
    assert (await claimed(other.store, session, "k2")).number == 2


async def test_a_killed_replica_that_returns_late_doubles_nothing(replicas: list[Replica]) -> None:
    one, other = replicas
    session = (await one.store.create(None, None)).id
    lost = await one.logged(await claimed(one.store, session, "k", 0.001), "k")
    retried: list[Claim] = []
    while not retried:
        try:
            retried.append(await claimed(other.store, session, "k"))
        except TurnUnderWayError:
            continue
    record = await other.logged(retried[0], "k")
    await other.store.finish(retried[0], record)
    one.store._trouble = StoreUnavailableError("Unreachable", "it has just started")
    await one.store._look()
    assert one.store.trouble is None
    assert await one.store.decisions(session, 10) == [record.id]
    assert record.id != lost.id
    found = await one.store.begin(session, "k", LEASE)
    assert isinstance(found, Decided)
    assert found.decision == record.id
    assert (await one.store.get(session)).turns == 1


async def test_turns_that_redis_lost_are_made_good_from_the_logs(replicas: list[Replica]) -> None:
    session = (await replicas[0].store.create(None, None)).id
    made = []
    for turn in range(6):
        replica = replicas[turn % 2]
        claim = await claimed(replica.store, session, f"k{turn}")
        record = await replica.logged(claim, f"k{turn}")
        await replica.store.finish(claim, record)
        made.append(record.id)
    # As a Redis that had not yet written its last second to the disk.
    store = replicas[0].store
    client: Redis = store._hot.client
    await client.hdel(store._key("t", session), "4", "5", "6")
    await client.hdel(store._key("k", session), "k3", "k4", "k5")
    await client.hset(store._key("s", session), "turns", "3")
    for replica in reversed(replicas):
        replica.store._trouble = StoreUnavailableError("Unreachable", "Redis was away")
        await replica.store._look()
    assert await store.decisions(session, 10) == made[::-1]
    assert (await claimed(store, session, "k6")).number == 7


async def test_a_turn_that_redis_does_not_take_is_not_acknowledged_and_not_forgotten(
    tmp_path: Path, lifetime: Lifetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.sessions.hot.COMMAND_SECONDS", 0.5)
    monkeypatch.setattr("runtime.sessions.owed.RETRY_SECONDS", 0.01)
    monkeypatch.setattr(rooms, "CHECK_SECONDS", 0.05)
    port = free_port()
    log = DecisionLog(tmp_path / "log")
    saved = tmp_path / "redis"
    saved.mkdir()
    with redis_server(saved, port) as url:
        async with way_to(url, tmp_path) as hot:
            store = RedisSessions(hot, "test/bard", lifetime)
            await store.catch_up(log)
            session = (await store.create(None, None)).id
            claim = await claimed(store, session, "k")
            replica = Replica(log, store)
            record = await replica.logged(claim, "k")
            with monkeypatch.context() as patched:
                patched.setattr(store._hot, "_client", None)
                with pytest.raises(StoreUnavailableError):
                    await store.finish(claim, record)
            await eventually(lambda: not len(store._owed))
            assert await store.decisions(session, 1) == [record.id]
            await store.close()
    await log.close()


async def test_it_opens_without_redis_says_so_and_works_when_it_comes(
    tmp_path: Path, lifetime: Lifetime, decisions: DecisionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms, "CHECK_SECONDS", 0.05)
    port = free_port()
    async with way_to(f"redis://:{PASSWORD}-old@127.0.0.1:{port}", tmp_path) as hot:
        store = RedisSessions(hot, "test/bard", lifetime)
        await store.catch_up(decisions)
        assert store.trouble is not None
        assert store.trouble.reason == "Unreachable"
        for ask in (store.create(None, None), store.get("s-1"), store.begin("s-1", None, 1)):
            with pytest.raises(StoreUnavailableError) as caught:
                await ask
            assert PASSWORD not in str(caught.value)
            assert str(port) not in str(caught.value)
        folder = tmp_path / "redis"
        folder.mkdir()
        with redis_server(folder, port, PASSWORD) as url:
            await eventually(lambda: store.trouble and "user or password" in str(store.trouble))
            (tmp_path / "url").write_text(url)
            await eventually(lambda: store.trouble is None)
            await store.create(None, None)
            await store.close()


async def test_a_missing_address_comes_with_the_command_that_creates_it(tmp_path: Path) -> None:
    hot = HotStore(tmp_path / "none", "redis/url")
    await hot.refresh()
    with pytest.raises(StoreUnavailableError, match="generic redis --from-literal=url=redis://"):
        _ = hot.client
    await hot.close()


async def test_an_address_that_is_none_is_not_repeated(tmp_path: Path) -> None:
    async with way_to(f"http://user:{PASSWORD}@host", tmp_path) as hot:
        await hot.refresh()
        with pytest.raises(StoreUnavailableError, match="is not a Redis address") as caught:
            _ = hot.client
        assert PASSWORD not in str(caught.value)


def test_no_word_of_an_error_of_the_client_is_repeated() -> None:
    for error in (ValueError(PASSWORD), ConnectionError(PASSWORD), OSError(PASSWORD)):
        assert PASSWORD not in str(unavailable(error))


async def test_all_keys_of_a_storyteller_lie_in_one_slot_and_expire(
    replicas: list[Replica], redis_url: str
) -> None:
    store = replicas[0].store
    session = (await store.create("Mara", {"place": "gate"})).id
    claim = await claimed(store, session, "k")
    await store.pin(session, "a fact")
    await store.finish(claim, await replicas[0].logged(claim, "k"))
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        keys = [key async for key in client.scan_iter(f"{store._prefix}*")]
        assert {key.removeprefix(store._prefix).split(":")[0] for key in keys} == set("stkfrp")
        assert len({key_slot(key.encode()) for key in keys}) == 1
        for key in keys:
            assert 0 < await client.pttl(key) <= lifetime_ms()
        await store.delete(session)
        left = [key async for key in client.scan_iter(f"{store._prefix}*")]
        assert left == [f"{store._prefix}gone:{session}"]


def lifetime_ms() -> int:
    return int(Lifetime().seconds * 1000)


async def test_a_finish_whose_claim_was_taken_over_is_lost(replicas: list[Replica]) -> None:
    one, other = replicas
    session = (await one.store.create(None, None)).id
    slow = await claimed(one.store, session, "a", 0.001)
    quick: list[Claim] = []
    while not quick:
        try:
            quick.append(await claimed(other.store, session, "b"))
        except TurnUnderWayError:
            continue
    await other.store.finish(quick[0], await other.logged(quick[0], "b"))
    with pytest.raises(TurnLostError):
        await one.store.confirm(slow, LEASE)
    with pytest.raises(TurnLostError):
        await one.store.finish(slow, await one.logged(slow, "a"))


def kept_in(folder: Path) -> list[Path]:
    """What is left of an embedded store."""
    return list(folder.glob("sessions.db*"))


async def test_sessions_of_the_volume_move_once_a_hot_store_is_named(
    tmp_path: Path, redis_url: str, lifetime: Lifetime, decisions: DecisionLog
) -> None:
    path = tmp_path / "sessions.db"
    old = SqliteSessions(path, lifetime)
    sessions = [(await old.create("Mara", {"n": n, "灰": None})).id for n in range(3)]
    claim = await claimed(old, sessions[0], "k1")
    await old.pin(sessions[0], "a fact")
    await old.pin(sessions[0], "another")
    noted = await Replica(decisions, old).logged(claim, "k1")
    await old.finish(claim, noted)
    await old.summarise(sessions[0], Summary("So far.", 1))
    assert await old.enrol("Mara", "t1", sessions[1])
    # The last turn is logged when the gateway is stopped, and not yet noted.
    last = await claimed(old, sessions[0], "k2")
    logged = await Replica(decisions, old).logged(last, "k2")
    before = await old.get(sessions[0])
    facts = await old.facts(sessions[0])
    await old.close()
    async with way_to(redis_url, tmp_path) as hot:
        name = f"test/{secrets.token_hex(4)}"
        for _ in range(2):
            store = RedisSessions(hot, name, lifetime, path)
            await store.catch_up(decisions)
            assert kept_in(tmp_path) == [], "nobody would forget a player there"
            assert await store.get(sessions[0]) == replace(before, turns=2)
            assert await store.facts(sessions[0]) == facts
            assert await store.decisions(sessions[0], 9) == [logged.id, noted.id]
            assert {each.id for each in await store.by_player("Mara", 9)} == set(sessions)
            assert not await store.enrol("Mara", "t1", sessions[2])
            for key, decision in (("k1", noted.id), ("k2", logged.id)):
                decided = await store.begin(sessions[0], key, LEASE)
                assert isinstance(decided, Decided)
                assert decided.decision == decision
            await store.close()
