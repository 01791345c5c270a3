"""What every store of sessions promises, asked of each of them."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crds.experiment import Canary
from runtime.audit import Place, Record
from runtime.audit.record import Watched
from runtime.sessions import (
    Claim,
    Decided,
    FactsFullError,
    MetricsFullError,
    SessionDeletedError,
    SessionStore,
    Summary,
    TurnLostError,
    TurnUnderWayError,
    UnknownFactError,
    UnknownSessionError,
)
from runtime.sessions.redis import RedisSessions
from runtime.sessions.store import FACT, MAX_BY_PLAYER, MAX_FACTS, PART_SECONDS
from runtime.sessions.tally import IN_VAIN, MAX_METRICS, Mark, Tally, posted, preferred
from tests.unit.runtime.sessions.conftest import HOUR, Lifetime
from tests.unit.runtime.sessions.records import of, record
from tests.unit.runtime.stubs.waiting import eventually

LEASE = 20.0


async def claimed(store: SessionStore, session: str, key: str | None = None) -> Claim:
    claim = await store.begin(session, key, LEASE)
    assert isinstance(claim, Claim)
    return claim


async def told(store: SessionStore, session: str, count: int) -> list[str]:
    """Decisions of so many turns."""
    made = []
    for _ in range(count):
        claim = await claimed(store, session)
        decision = of(claim)
        await store.finish(claim, decision)
        made.append(decision.id)
    return made


async def test_a_session_is_as_it_was_begun(store: SessionStore) -> None:
    context = {"place": "the gate", "ash": [1, None, "灰"]}
    begun = await store.create("Mara", context)
    found = await store.get(begun.id)
    assert found == begun
    assert (found.player, found.context, found.turns, found.chapter) == ("Mara", context, 0, 1)
    nobody = await store.create(None, None)
    assert (await store.get(nobody.id)).player is None


async def test_an_id_that_was_never_given_is_unknown(store: SessionStore) -> None:
    for ask in (
        store.get("s-none"),
        store.delete("s-none"),
        store.begin("s-none", None, LEASE),
        store.decisions("s-none", 1),
        store.facts("s-none"),
        store.pin("s-none", "x"),
        store.unpin("s-none", "f-1"),
        store.tally("s-none"),
        store.post("s-none", {"quests": 1}),
    ):
        with pytest.raises(UnknownSessionError):
            await ask


async def test_turns_are_numbered_and_come_back_in_order(store: SessionStore) -> None:
    session = (await store.create(None, None)).id
    made = await told(store, session, 3)
    claim = await claimed(store, session)
    assert claim.number == 4
    assert [turn.number for turn in claim.turns] == [1, 2, 3]
    assert (claim.turns[2].question, claim.turns[2].decision) == ("Question 3?", "yes")
    assert (await store.get(session)).turns == 3
    assert await store.decisions(session, 2) == made[:0:-1]


async def test_one_turn_at_a_time(store: SessionStore) -> None:
    session, other = [(await store.create(None, None)).id for _ in range(2)]
    claim = await claimed(store, session)
    with pytest.raises(TurnUnderWayError) as caught:
        await store.begin(session, None, LEASE)
    assert 0 < caught.value.retry_seconds <= LEASE
    await claimed(store, other)
    await store.finish(claim, of(claim))
    assert (await claimed(store, session)).number == 2


async def test_a_claim_that_is_given_back_holds_nobody_up(store: SessionStore) -> None:
    session = (await store.create(None, None)).id
    first = await claimed(store, session)
    await store.release(first)
    second = await claimed(store, session)
    await store.release(first)
    with pytest.raises(TurnUnderWayError):
        await store.begin(session, None, LEASE)
    assert second.number == 1


async def test_a_claim_ends_by_itself_and_the_first_to_finish_has_the_turn(
    store: SessionStore,
) -> None:
    session = (await store.create(None, None)).id
    dead = await store.begin(session, "k", 0.01)
    assert isinstance(dead, Claim)
    claims: list[Claim] = []

    async def free() -> bool:
        try:
            claims.append(await claimed(store, session, "k"))
        except TurnUnderWayError:
            return False
        return True

    async with asyncio.timeout(5):
        while not await free():
            pass
    (living,) = claims
    with pytest.raises(TurnLostError):
        await store.confirm(dead, LEASE)
    await store.confirm(living, LEASE)
    kept = of(living, key="k")
    await store.finish(living, kept)
    with pytest.raises(TurnLostError):
        await store.finish(dead, of(dead, key="k"))
    found = await store.begin(session, "k", LEASE)
    assert isinstance(found, Decided)
    assert found.decision == kept.id
    assert (await store.get(session)).turns == 1


async def test_finishing_twice_is_finishing_once(store: SessionStore) -> None:
    session = (await store.create(None, None)).id
    claim = await claimed(store, session)
    decision = of(claim, key="k")
    await store.finish(claim, decision)
    await store.finish(claim, decision)
    assert await store.decisions(session, 9) == [decision.id]


async def test_a_key_stands_for_one_decision_for_as_long_as_the_session(
    store: SessionStore,
) -> None:
    session = (await store.create(None, None)).id
    claim = await claimed(store, session, "turn-1")
    decision = of(claim, key="turn-1")
    await store.finish(claim, decision)
    await told(store, session, 2)
    under_way = await claimed(store, session, "turn-4")
    found = await store.begin(session, "turn-1", LEASE)
    assert isinstance(found, Decided)
    assert found.decision == decision.id
    assert found.record in (None, decision)
    other = (await store.create(None, None)).id
    assert isinstance(await store.begin(other, "turn-1", LEASE), Claim)
    await store.release(under_way)


async def test_of_many_who_begin_at_once_one_does(store: SessionStore) -> None:
    session = (await store.create(None, None)).id

    async def attempt(key: str) -> object:
        try:
            return await store.begin(session, key, LEASE)
        except TurnUnderWayError:
            return None

    tries = await asyncio.gather(*(attempt(f"k{at}") for at in range(20)))
    assert sum(isinstance(each, Claim) for each in tries) == 1


async def test_a_chapter_brings_its_own_turns_along(store: SessionStore) -> None:
    session = (await store.create(None, None)).id
    await told(store, session, 4)
    claim = await claimed(store, session)
    place = Place(turn=5, chapter=2, first_turn=4, cast="abc", handover="WindowFull")
    await store.finish(claim, of(claim).model_copy(update={"place": place}))
    after = await claimed(store, session)
    assert (after.session.chapter, after.session.first_turn, after.session.cast) == (2, 4, "abc")
    assert [turn.number for turn in after.turns] == [4, 5]


async def test_a_summary_only_ever_reaches_further(store: SessionStore) -> None:
    session = (await store.create(None, None)).id
    assert (await store.get(session)).summary is None
    await store.summarise(session, Summary("So far.", 4))
    await store.summarise(session, Summary("Too late.", 3))
    assert (await store.get(session)).summary == Summary("So far.", 4)
    await store.summarise(session, Summary("Further.", 9))
    assert (await store.get(session)).summary == Summary("Further.", 9)


async def test_facts_are_kept_word_for_word_in_order_and_once(store: SessionStore) -> None:
    session = (await store.create(None, None)).id
    texts = ["The key is under the third stone.", "灰 <b> \\ \" '", "0042"]
    pinned = [await store.pin(session, text) for text in texts]
    assert await store.pin(session, texts[0]) == pinned[0]
    assert await store.facts(session) == pinned
    assert [fact.text for fact in pinned] == texts
    assert (await claimed(store, session)).facts == tuple(pinned)
    await store.unpin(session, pinned[1].id)
    assert await store.facts(session) == [pinned[0], pinned[2]]
    with pytest.raises(UnknownFactError):
        await store.unpin(session, pinned[1].id)


async def test_facts_are_bounded_in_number_and_length(store: SessionStore) -> None:
    many = (await store.create(None, None)).id
    for at in range(MAX_FACTS):
        await store.pin(many, f"fact {at}")
    with pytest.raises(FactsFullError):
        await store.pin(many, "one more")
    await store.pin(many, "fact 0")
    long = (await store.create(None, None)).id
    for at in range(7):
        await store.pin(long, str(at) * FACT)
    with pytest.raises(FactsFullError):
        await store.pin(long, "x" * FACT)
    assert len(await store.facts(long)) == 7


async def test_a_deleted_session_is_known_to_be_deleted(store: SessionStore) -> None:
    session = (await store.create("Mara", "context")).id
    await told(store, session, 2)
    await store.pin(session, "a fact")
    await store.delete(session)
    await store.delete(session)
    for ask in (
        store.get(session),
        store.begin(session, None, LEASE),
        store.decisions(session, 1),
        store.facts(session),
        store.pin(session, "x"),
    ):
        with pytest.raises(SessionDeletedError):
            await ask
    assert await store.by_player("Mara", 10) == []


async def test_a_turn_of_a_session_that_was_deleted_meanwhile_is_not_noted(
    store: SessionStore,
) -> None:
    session = (await store.create(None, None)).id
    claim = await claimed(store, session)
    await store.delete(session)
    with pytest.raises(SessionDeletedError):
        await store.finish(claim, of(claim))
    with pytest.raises(SessionDeletedError):
        await store.get(session)


async def test_sessions_are_found_by_player_newest_first(store: SessionStore) -> None:
    assert await store.by_player("Mara", 10) == []
    made = []
    for player in ("Mara", "Brannoch", "Mara", "Mara"):
        made.append((await store.create(player, None)).id)
        await asyncio.sleep(0.002)  # they are ordered by the millisecond
    found = await store.by_player("Mara", 2)
    assert [session.id for session in found] == [made[3], made[2]]


async def test_every_session_of_a_player_can_be_found_and_deleted(store: SessionStore) -> None:
    made = {(await store.create("Mara", None)).id for _ in range(MAX_BY_PLAYER + 20)}
    while found := await store.by_player("Mara", MAX_BY_PLAYER):
        for session in found:
            await store.delete(session.id)
            made.remove(session.id)
    assert made == set()


async def test_a_session_that_lives_on_by_its_facts_is_found_by_its_player(
    store: SessionStore, lifetime: Lifetime
) -> None:
    session = (await store.create("Mara", None)).id
    lifetime.seconds = 2 * HOUR
    await store.pin(session, "The bell is cracked.")
    if isinstance(store, RedisSessions):
        index, own = await asyncio.gather(*(lasts(store, kind) for kind in "ps"))
        assert index >= own > HOUR * 1000
    lifetime.seconds = HOUR / 2
    claim = await claimed(store, session)
    await store.finish(claim, of(claim))
    await store.create("Mara", None)
    if isinstance(store, RedisSessions):
        assert await lasts(store, "p") > HOUR * 1000, "another session still lives as long"


async def lasts(store: RedisSessions, kind: str) -> int:
    """Milliseconds until the first key of that kind expires."""
    client = store._hot.client
    (key,) = [key async for key in client.scan_iter(f"{store._prefix}{kind}:*")][:1]
    return int(await client.pttl(key))


async def test_a_session_expires_after_its_last_write(
    store: SessionStore, lifetime: Lifetime
) -> None:
    lifetime.seconds = 0.05
    expired = (await store.create("Mara", None)).id
    lifetime.seconds = 0.05

    async def gone() -> bool:
        try:
            await store.get(expired)
        except UnknownSessionError:
            return True
        return False

    async with asyncio.timeout(5):
        while not await gone():
            pass
    with pytest.raises(UnknownSessionError):
        await store.begin(expired, None, LEASE)
    lifetime.seconds = 3600.0
    kept = (await store.create("Mara", None)).id
    await told(store, kept, 1)
    await store.sweep()
    assert (await store.get(kept)).turns == 1


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    acts=st.lists(st.sampled_from(["begin", "finish", "release", "forget", "retry"]), max_size=30)
)
async def test_whatever_gateways_do_no_turn_is_lost_and_none_is_doubled(
    store: SessionStore, acts: list[str]
) -> None:
    """Two gateways take turns at one session: they begin, finish, give up, die and retry."""
    session = (await store.create(None, None)).id
    acknowledged: dict[str, str] = {}
    claims: list[tuple[Claim, str]] = []
    keys = iter(f"key-{at}" for at in range(100))
    for act in acts:
        if act == "begin":
            key = next(keys)
            try:
                found = await store.begin(session, key, LEASE)
            except TurnUnderWayError:
                continue
            assert isinstance(found, Claim)
            claims.append((found, key))
        elif act == "finish" and claims:
            claim, key = claims.pop()
            made = of(claim, key=key)
            await store.finish(claim, made)
            acknowledged[key] = made.id
        elif act in ("release", "forget") and claims:
            claim, _ = claims.pop()
            await store.release(claim)
        elif act == "retry" and acknowledged:
            key, decision = next(iter(acknowledged.items()))
            found = await store.begin(session, key, LEASE)
            assert isinstance(found, Decided)
            assert found.decision == decision
    assert await store.decisions(session, 100) == list(acknowledged.values())[::-1]
    assert (await store.get(session)).turns == len(acknowledged)


async def test_it_says_that_it_works(store: SessionStore) -> None:
    await eventually(lambda: store.trouble is None)
    assert record("s", 1).place is not None


async def test_the_arm_that_was_drawn_at_the_beginning_is_kept(store: SessionStore) -> None:
    begun = await store.create(None, None, lambda session: (f"{session}-c12345", "salt:Canary"))
    assert begun.arm == "salt:Canary"
    assert begun.id.endswith("-c12345")
    assert (await store.get(begun.id)).arm == begun.arm
    claim = await store.begin(begun.id, None, 5)
    assert isinstance(claim, Claim)
    assert claim.session.arm == begun.arm
    assert (await store.create(None, None)).arm is None


def watched(claim: Claim, *, failed: bool = False, **more: str) -> Record:
    return of(claim, **more).model_copy(update={"watched": Watched(failed=failed)})


async def test_a_watched_turn_is_counted_once_however_often_it_is_noted(
    store: SessionStore,
) -> None:
    session = (await store.create(None, None)).id
    assert await store.tally(session) == Tally()
    for failed in (True, False):
        claim = await claimed(store, session)
        made = watched(claim, failed=failed)
        await store.finish(claim, made)
        await store.finish(claim, made)
    await told(store, session, 1)  # nobody watches any more
    expected = (Mark(True, None, False), Mark(False, None, False))
    assert (await store.tally(session)).marks == expected


async def test_of_a_metric_the_last_value_counts(store: SessionStore) -> None:
    session = (await store.create(None, None)).id
    await store.post(session, {"quests": 2, "minutes-played": 14.123456789012345})
    await store.post(session, {"quests": 3, "quests-again": 1e-300})
    assert (await store.tally(session)).metrics == {
        "quests": 3.0,
        "quests-again": 1e-300,
        "minutes-played": 14.123456789012345,
    }


async def test_a_session_has_so_many_metrics_and_no_more(store: SessionStore) -> None:
    session = (await store.create(None, None)).id
    full = {f"m{at}": float(at) for at in range(MAX_METRICS)}
    await store.post(session, full)
    with pytest.raises(MetricsFullError):
        await store.post(session, {"m0": 7.0, "another": 1.0})
    assert (await store.tally(session)).metrics == full
    await store.post(session, {"m0": 7.0})
    later = posted({"m0": 8.0}, "2026-11-24T10:10:00.000Z")  # the same one in another window
    await store.post(session, later)
    assert (await store.tally(session)).metrics == full | {"m0": 7.0} | later


@pytest.mark.parametrize("first", [True, False])
async def test_what_we_keep_of_turns_takes_no_metric_from_the_game(
    store: SessionStore, first: bool
) -> None:
    session = (await store.create(None, None)).id
    full = {f"m{at}": float(at) for at in range(MAX_METRICS)}
    ours = IN_VAIN | preferred(7, 0.5)
    for metrics in (ours, full) if first else (full, ours):
        await store.post(session, metrics)
    assert (await store.tally(session)).metrics == full | ours
    with pytest.raises(MetricsFullError):
        await store.post(session, {"another": 1.0})


async def test_of_a_deleted_session_nothing_is_told_or_taken(store: SessionStore) -> None:
    session = (await store.create(None, None)).id
    await store.post(session, {"quests": 2})
    await store.delete(session)
    for ask in (store.tally(session), store.post(session, {"quests": 3})):
        with pytest.raises(SessionDeletedError):
            await ask


async def test_a_player_has_part_in_an_experiment_since_one_session(store: SessionStore) -> None:
    first, second = [(await store.create("Mara", None)).id for _ in range(2)]
    for _ in range(2):  # a gateway that heard no answer asks again
        assert await store.enrol("Mara", "t1", first)
    assert not await store.enrol("Mara", "t1", second)
    assert await store.enrol("Mara", "t2", second)
    other = (await store.create("Jon", None)).id
    assert await store.enrol("Jon", "t1", other)
    await store.delete(first)
    assert not await store.enrol("Mara", "t1", second)
    await store.forget_parts("Mara")
    assert await store.enrol("Mara", "t1", second)
    assert not await store.enrol("Jon", "t1", second)


def test_no_experiment_outlasts_what_is_known_of_its_players() -> None:
    bounds = Canary.model_json_schema()["properties"]
    step, last = (bounds[name]["maximum"] for name in ("stepMinutes", "deadlineMinutes"))
    assert (bounds["steps"]["maxItems"] * step + last) * 60 < PART_SECONDS
