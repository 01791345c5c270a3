"""What a game gets for its questions, however the members behave."""

from pathlib import Path

import pytest

from runtime.audit import Record, replay
from tests.unit.runtime.stubs.engine import Behaviour, Stub
from tests.unit.runtime.stubs.gateway import House, house
from tests.unit.runtime.stubs.waiting import eventually

OPTIONS = ["Open the gate", "Ring the bell", "Ask for a song"]
ASK = {"question": "The guard sees Mara. What does he do?", "options": OPTIONS}


async def test_a_candidate_says_what_it_cost_where_that_is_known(home: House) -> None:
    routes = home.gateway.following.routes
    assert routes is not None
    table = [route.dump() for route in routes.routes]
    table[0] |= {"price": {"inputPerMillionUSD": "2", "outputPerMillionUSD": "10"}}
    home.write_routes(generation=8, routes=table)
    await eventually(lambda: home.gateway.report().routes_generation == 8)
    decision = await home.decide(await home.session(), question="Why?")
    record = (await home.client.get(f"/v1/decisions/{decision['id']}")).json()
    assert record["candidates"][0]["costUsd"] == "0.00015"
    assert all("costUsd" not in candidate for candidate in record["candidates"][1:])


async def test_the_weighted_vote_decides_and_everyone_is_heard(home: House) -> None:
    for stub, answer in zip(home.stubs, [OPTIONS[1], OPTIONS[0], OPTIONS[0]], strict=True):
        stub.answer = answer
    decision = await home.decide(await home.session(), **ASK)
    assert (decision["decision"], decision["outcome"]) == ("Open the gate", "Vote")
    assert (decision["confidence"], decision["agreement"]) == (0.6, 0.6)
    assert [(vote["member"], vote["answer"]) for vote in decision["votes"]] == [
        ("chronicler", OPTIONS[1]),
        ("oracle", OPTIONS[0]),
        ("jester", OPTIONS[0]),
    ]
    assert decision["dissent"] == [
        {"answer": "Ring the bell", "weight": 4, "members": ["chronicler"]}
    ]
    assert "text" not in decision


async def test_prose_is_the_heaviest_members(home: House) -> None:
    for stub, answer in zip(home.stubs, ["The gate opens.", "A bell rings.", "Ha."], strict=True):
        stub.answer = answer
    decision = await home.decide(await home.session(), question="What happens?")
    assert decision["text"] == decision["decision"] == "The gate opens."
    assert decision["confidence"] == 0.4


async def test_two_heavy_votes_do_not_wait_for_the_jester(home: House) -> None:
    for stub in home.stubs:
        stub.answer = OPTIONS[0]
    home.stubs[2].behaviour = "slow"
    decision = await home.decide(await home.session(), **ASK)
    assert decision["confidence"] == 0.8
    assert "answer" not in decision["votes"][2]
    assert "error" not in decision["votes"][2]
    await eventually(lambda: home.stubs[2].cancelled)


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        ("empty", "Empty"),
        ("error", "Status"),
        ("cut", "CutStream"),
        ("garbage", "Protocol"),
        ("outside", "OutsideOptions"),
        ("abort", "Aborted"),
        ("no-finish", "CutStream"),
    ],
)
async def test_a_failing_member_is_named_and_outvoted(
    home: House, behaviour: Behaviour, kind: str
) -> None:
    for stub in home.stubs:
        stub.answer = OPTIONS[2]
    home.stubs[0].behaviour = behaviour
    home.write_routes(weights=(8, 4, 2), generation=8)  # nothing is settled without the first
    await eventually(lambda: home.gateway.report().routes_generation == 8)
    decision = await home.decide(await home.session(), **ASK)
    assert (decision["decision"], decision["outcome"]) == (OPTIONS[2], "Vote")
    assert decision["confidence"] == 0.4286
    assert decision["votes"][0]["error"].startswith(kind)


async def test_with_one_voice_left_it_decides_and_the_outcome_says_so(home: House) -> None:
    home.stubs[0].behaviour = home.stubs[1].behaviour = "error"
    home.stubs[2].answer = OPTIONS[1]
    decision = await home.decide(await home.session(), **ASK)
    assert (decision["decision"], decision["outcome"]) == (OPTIONS[1], "BestMember")
    assert decision["confidence"] == 0.2


async def test_with_no_voice_left_the_fallback_lines_answer_in_turn(home: House) -> None:
    for stub in home.stubs:
        stub.behaviour = "error"
    session = await home.session()
    told = [await home.decide(session, **ASK) for _ in range(3)]
    assert {each["outcome"] for each in told} == {"Fallback"}
    assert {each["decision"] for each in told} == {OPTIONS[0]}
    assert [each["text"] for each in told] == [
        "The bard waits.",
        "Ash drifts past.",
        "The bard waits.",
    ]
    prose = await home.decide(session, question="What happens?")
    assert prose["decision"] == prose["text"] == "Ash drifts past."


async def test_a_member_that_never_answers_costs_its_timeout_and_no_more(tmp_path: Path) -> None:
    async with house(tmp_path, Stub(behaviour="hang"), Stub(), Stub()) as home:
        home.write_routes(timeout_seconds=1, generation=8)
        for stub in home.stubs:
            stub.answer = OPTIONS[0]
        home.stubs[1].answer = OPTIONS[1]
        await eventually(lambda: home.gateway.report().routes_generation == 8)
        decision = await home.decide(await home.session(), **ASK)
    assert decision["votes"][0]["error"].startswith("Timeout")
    assert decision["latencyMs"] < 3000
    assert decision["decision"] == OPTIONS[1]


async def test_a_member_of_weight_zero_is_recorded_and_decides_nothing(home: House) -> None:
    home.stubs[0].answer = home.stubs[1].answer = OPTIONS[0]
    home.stubs[2].answer = OPTIONS[1]
    home.write_routes(weights=(1, 0, 3), minimum_votes=1, generation=8)
    await eventually(lambda: home.gateway.report().routes_generation == 8)
    decision = await home.decide(await home.session(), **ASK)
    assert decision["decision"] == OPTIONS[1]
    assert decision["votes"][1]["weight"] == 0


async def test_the_record_tells_everything_and_replays_exactly(home: House) -> None:
    home.stubs[0].behaviour = "error"
    home.stubs[1].answer = home.stubs[2].answer = OPTIONS[2]
    session = await home.session(player="Mara", context={"place": "gate"})
    trace = "0af7651916cd43dd8448eb211c80319c"
    answer = await home.client.post(
        f"/v1/sessions/{session}/decisions",
        json={**ASK, "context": "It is dusk."},
        headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"},
    )
    assert answer.headers["traceparent"].startswith(f"00-{trace}-")
    assert all(trace in stub.headers[0]["traceparent"] for stub in home.stubs)
    read = await home.client.get(f"/v1/decisions/{answer.json()['id']}")
    record = Record.model_validate(read.json())
    assert record.result == replay(record)
    assert (record.storyteller, record.world, record.player) == ("bard", "emberfall", "Mara")
    assert (record.question, record.options, record.context) == (
        ASK["question"],
        OPTIONS,
        "It is dusk.",
    )
    assert (record.routes_generation, record.config_generation) == (7, 3)
    assert record.trace_id == trace
    failed, second, third = record.candidates
    assert (failed.state, second.state, third.state) == ("Failed", "Answered", "Answered")
    assert (second.engine, second.model, second.revision) == ("llamacpp", "small", "0000000a")
    assert second.tokens is not None
    assert second.tokens.completion == 7
    assert second.prompt_digest != third.prompt_digest


async def test_the_story_so_far_is_told_to_the_members(home: House) -> None:
    session = await home.session(player="Mara", context="Mara carries a coal.")
    for stub in home.stubs:
        stub.answer = OPTIONS[0]
    await home.decide(session, **ASK)
    await home.decide(session, question="And then?")
    system, user = (message["content"] for message in home.stubs[0].asked[-1]["messages"])
    assert "Ash falls like snow." in system
    assert "You are the chronicler." in system
    assert "Mara carries a coal." in user
    assert f"{ASK['question']} Open the gate" in user


async def test_decisions_are_listed_newest_first(home: House) -> None:
    for stub in home.stubs:
        stub.answer = OPTIONS[0]
    first, second = await home.session(), await home.session()
    made = [await home.decide(session, **ASK) for session in (first, second, first)]
    every = (await home.client.get("/v1/decisions")).json()["decisions"]
    assert [each["id"] for each in every] == [each["id"] for each in reversed(made)]
    mine = (await home.client.get("/v1/decisions", params={"session": first})).json()["decisions"]
    assert [each["id"] for each in mine] == [made[2]["id"], made[0]["id"]]
    last = (await home.client.get("/v1/decisions", params={"limit": 1})).json()["decisions"]
    assert last == [made[2]]
    assert (await home.client.get(f"/v1/sessions/{first}")).json()["turns"] == 2
