"""Answers that are given again: to whom, for how long, and never to anyone else."""

import asyncio
import tracemalloc
from dataclasses import fields, replace
from functools import partial
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crds.gateway import GatewayConfig
from crds.routes import Route
from runtime.audit import Record, replay
from runtime.audit.record import Counting
from runtime.engines import known
from runtime.gateway.members.voices import Member, Seat
from runtime.gateway.story.poll import Ask
from runtime.gateway.story.prompt import Scene, build
from runtime.gateway.story.recall import Key, key_of
from runtime.sessions import Fact, Summary, Turn
from tests.unit.runtime.stubs.gateway import House, write_config
from tests.unit.runtime.stubs.waiting import eventually

ASK = {"question": "What does the guard shout?", "options": ["Halt!", "Begone!"]}


@pytest.fixture
async def remembering(home: House) -> House:
    """A gateway that may answer from memory."""
    for stub in home.stubs:
        stub.answer = "Halt!"
    await configure(home, {"exact": {"ttlMinutes": 10}})
    return home


async def configure(home: House, cache: dict[str, Any] | None, generation: int = 4) -> None:
    write_config(home.folder, generation=generation, cache=cache)
    await eventually(lambda: home.gateway.report().config_generation == generation)


def asked(home: House) -> int:
    return sum(len(stub.asked) for stub in home.stubs)


async def record(home: House, decision: dict[str, Any]) -> Record:
    read = await home.client.get(f"/v1/decisions/{decision['id']}")
    return Record.model_validate(read.json())


def looked(home: House, result: str) -> float:
    value = home.gateway.metrics.registry.get_sample_value(
        "fabula_gateway_cache_lookups_total", {"result": result}
    )
    return value or 0.0


async def test_without_a_cache_the_members_are_always_asked(home: House) -> None:
    for _ in range(2):
        await home.decide(await home.session(), **ASK)
    assert asked(home) == 6
    assert len(home.gateway.recall.shelf) == 0


async def test_the_same_question_is_answered_from_memory_and_says_so(remembering: House) -> None:
    home = remembering
    first = await home.decide(await home.session(), **ASK)
    before = asked(home)
    again = await home.decide(await home.session(), **ASK)
    assert asked(home) == before
    assert again["cached"] is True
    assert "cached" not in first
    assert again["id"] != first["id"]
    for same in ("decision", "outcome", "confidence", "agreement", "votes", "dissent"):
        assert again[same] == first[same]
    assert again["latencyMs"] < 50
    assert looked(home, "exact") == looked(home, "miss") == 1


async def test_an_answer_given_again_is_a_decision_of_its_own_and_replays(
    remembering: House,
) -> None:
    home = remembering
    first = await home.decide(await home.session(), **ASK)
    session = await home.session()
    again = await record(home, await home.decide(session, **ASK))
    assert again.cached_from == first["id"]
    assert again.session == session
    assert again.candidates == (await record(home, first)).candidates
    assert again.result == replay(again)
    assert (await home.client.get(f"/v1/sessions/{session}")).json()["turns"] == 1


async def test_who_has_lived_through_something_else_is_asked_anew(remembering: House) -> None:
    home = remembering
    session = await home.session()
    await home.decide(session, **ASK)
    await home.decide(session, **ASK)
    await home.decide(await home.session(player="Mara"), **ASK)
    await home.decide(await home.session(context="It rains."), **ASK)
    await home.decide(await home.session(), **ASK, context="It rains.")
    assert looked(home, "miss") == 5
    assert looked(home, "exact") == 0


async def test_whom_would_be_asked_is_part_of_the_question(remembering: House) -> None:
    home = remembering
    await home.decide(await home.session(), **ASK)
    home.write_routes(weights=(4, 4, 3), generation=8)
    await eventually(lambda: home.gateway.report().routes_generation == 8)
    await home.decide(await home.session(), **ASK)
    home.write_routes(weights=(4, 4, 3), minimum_votes=3, generation=9)
    await eventually(lambda: home.gateway.report().routes_generation == 9)
    await home.decide(await home.session(), **ASK)
    assert looked(home, "miss") == 3


@pytest.mark.parametrize("broken", [1, 2, 3])
async def test_what_was_decided_while_someone_was_out_is_not_kept(
    remembering: House, broken: int
) -> None:
    home = remembering
    for stub in home.stubs[:broken]:
        stub.behaviour = "error"
    await home.decide(await home.session(), **ASK)
    assert len(home.gateway.recall.shelf) == 0
    for stub in home.stubs:
        stub.behaviour = "good"
    assert "cached" not in await home.decide(await home.session(), **ASK)
    assert "cached" in await home.decide(await home.session(), **ASK)


async def test_a_client_may_insist_on_a_new_answer_which_replaces_the_old(
    remembering: House,
) -> None:
    home = remembering
    await home.decide(await home.session(), **ASK)
    for stub in home.stubs:
        stub.answer = "Begone!"
    session = await home.session()
    answer = await home.client.post(
        f"/v1/sessions/{session}/decisions", json=ASK, headers={"cache-control": "No-Cache"}
    )
    assert answer.json()["decision"] == "Begone!"
    assert "cached" not in answer.json()
    assert looked(home, "bypassed") == 1
    again = await home.decide(await home.session(), **ASK)
    assert (again["decision"], again["cached"]) == ("Begone!", True)


async def test_an_answer_is_not_given_again_past_its_time(remembering: House) -> None:
    home = remembering
    await home.decide(await home.session(), **ASK)
    now = home.gateway.recall.clock()
    home.gateway.recall.clock = lambda: now + 601
    assert "cached" not in await home.decide(await home.session(), **ASK)


async def test_taking_the_cache_away_ends_it_at_once(remembering: House) -> None:
    home = remembering
    await home.decide(await home.session(), **ASK)
    await configure(home, None, 5)
    assert "cached" not in await home.decide(await home.session(), **ASK)


async def test_the_same_question_at_the_same_time_is_asked_once(remembering: House) -> None:
    home = remembering
    for stub in home.stubs:
        stub.behaviour = "slow"
    sessions = [await home.session() for _ in range(5)]
    asking = [asyncio.create_task(home.decide(session, **ASK)) for session in sessions]
    await eventually(lambda: asked(home) == 3 and home.gateway.admission.inside == 5)
    for stub in home.stubs:
        stub.release.set()
    decisions = await asyncio.gather(*asking)
    assert asked(home) == 3
    assert sum("cached" in decision for decision in decisions) == 4
    assert len({decision["id"] for decision in decisions}) == 5
    assert looked(home, "joined") == 4


async def test_who_waited_for_nothing_asks_for_itself(remembering: House) -> None:
    home = remembering
    for stub in home.stubs:
        stub.behaviour = "slow"
    first = asyncio.create_task(home.decide(await home.session(), **ASK))
    await eventually(lambda: asked(home) == 3)
    second = asyncio.create_task(home.decide(await home.session(), **ASK))
    await eventually(lambda: home.gateway.admission.inside == 2)
    for stub in home.stubs:
        stub.behaviour = "good"
    first.cancel()
    assert "cached" not in await second
    assert len(home.gateway.recall.flights) == 0


async def test_what_is_kept_takes_as_much_memory_as_is_counted(remembering: House) -> None:
    recall, config = remembering.gateway.recall, remembering.gateway.following.config
    assert config is not None
    await remembering.decide(await remembering.session(), **ASK)
    (decided,) = await remembering.gateway.decisions.latest(1)
    before = recall.shelf.bytes
    tracemalloc.start()
    try:
        for number in range(100):
            async with recall.lookup() as lookup:
                key = partial(Key, "scope", f"{number:064}")
                assert await lookup.find(config.cache, "Halt?", key, 1) is None
                lookup.keep(decided)
        live, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert live < 2 * (recall.shelf.bytes - before)


async def test_what_was_answered_to_a_deleted_session_is_forgotten_with_it(
    remembering: House,
) -> None:
    home = remembering
    session = await home.session()
    await home.decide(session, **ASK)
    assert (await home.client.delete(f"/v1/sessions/{session}")).is_success
    assert "cached" not in await home.decide(await home.session(), **ASK)


async def test_answers_to_a_player_can_be_forgotten(remembering: House) -> None:
    home = remembering
    await home.decide(await home.session(player="Mara"), **ASK)
    home.gateway.recall.forget(lambda kept: kept.player == "Mara")
    assert "cached" not in await home.decide(await home.session(player="Mara"), **ASK)


CONFIG = GatewayConfig(
    storyteller="bard", namespace="play", generation=1, title="Emberfall", routes_config_map="r"
)
ROUTE = Route(
    member="chronicler", revision="0000000a", weight=4, engine="llamacpp", model="m",
    url="http://m", timeout_seconds=5,
)  # fmt: skip
COUNTING = Counting(minimum_votes=1, when_no_quorum="BestMember")

words = st.text("ab <>", max_size=6)
numbers = st.integers(1, 3)
contexts = st.none() | words | st.dictionaries(words, words | st.integers(), max_size=2)
scenes = st.builds(
    Scene,
    question=words,
    options=st.none() | st.tuples(words, words),
    player=st.none() | words,
    session_context=contexts,
    context=contexts,
    facts=st.lists(st.builds(Fact, words, words), max_size=2).map(tuple),
    summary=st.none() | st.builds(Summary, words, numbers),
    turns=st.lists(st.builds(Turn, numbers, words, words), max_size=2).map(tuple),
)


def key(
    scene: Scene,
    config: GatewayConfig = CONFIG,
    route: Route = ROUTE,
    counting: Counting = COUNTING,
) -> Key:
    prompt = build(config, route, scene, None)
    seat = Seat(route, cast("Member", None), known(route))  # nobody is asked
    return key_of(config, scene, [Ask(seat, route.weight, prompt, prompt.digest)], counting)


@given(scenes, scenes)
def test_scenes_that_differ_in_anything_but_the_question_share_nothing(
    one: Scene, other: Scene
) -> None:
    # By their text, because the order in which facts are told is not the same to a model.
    same = repr(replace(other, question=one.question)) == repr(one)
    assert (key(one).scope == key(other).scope) == same
    assert (key(one).exact == key(other).exact) == (repr(one) == repr(other))


def test_the_strategy_above_knows_every_field_of_a_scene() -> None:
    told = {"question", "options", "player", "session_context", "context", "facts", "summary"}
    assert {field.name for field in fields(Scene)} == told | {"turns"}, "add it to `scenes`"


@given(scenes, words)
def test_another_question_in_the_same_scene_differs_in_its_words_alone(
    scene: Scene, question: str
) -> None:
    other = replace(scene, question=question)
    assert key(other).scope == key(scene).scope
    assert (key(other).exact == key(scene).exact) == (question == scene.question)


@pytest.mark.parametrize(
    "changed",
    [
        {"config": CONFIG.model_copy(update={"persona": "You are a fox."})},
        {"config": CONFIG.model_copy(update={"lore": "Ash falls."})},
        {"config": CONFIG.model_copy(update={"title": "Elsewhere"})},
        {"config": CONFIG.model_copy(update={"prompts": {"user.j2": "{% if 0 %}!{% endif %}"}})},
        {"route": ROUTE.model_copy(update={"role": "You joke."})},
        {"route": ROUTE.model_copy(update={"revision": "0000000b"})},
        {"route": ROUTE.model_copy(update={"weight": 5})},
        {
            "route": ROUTE.model_copy(
                update={"sampling": ROUTE.sampling.model_copy(update={"seed": 1})}
            )
        },
        {"counting": COUNTING.model_copy(update={"minimum_votes": 2})},
        {"counting": COUNTING.model_copy(update={"when_no_quorum": "Fallback"})},
    ],
)
def test_what_is_told_who_is_asked_and_how_it_is_counted_are_in_the_scope(
    changed: dict[str, Any],
) -> None:
    scene = Scene("Who goes there?", None)
    assert key(scene, **changed).scope != key(scene).scope


def test_a_new_generation_of_the_same_configuration_changes_nothing() -> None:
    scene = Scene("Who goes there?", None)
    assert key(scene, config=CONFIG.model_copy(update={"generation": 9})) == key(scene)


def test_the_players_words_cannot_pose_as_another_field() -> None:
    one = Scene("?", None, player="a", session_context="b")
    assert key(one).scope != key(Scene("?", None, player="a", context="b")).scope
    assert key(one).scope != key(Scene("?", None, session_context="a\nb")).scope
