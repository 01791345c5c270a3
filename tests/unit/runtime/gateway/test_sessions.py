"""A long story: what is remembered, when a new chapter begins, what is forgotten on request."""

import asyncio
import json

import pytest

from runtime.audit import Record
from tests.unit.runtime.gateway.interfaces.test_api import assert_problem
from tests.unit.runtime.stubs.gateway import House
from tests.unit.runtime.stubs.waiting import eventually

ASK = {"question": "Does it rain?", "options": ["yes", "no"]}
FACTS = ["The key lies under the third stone.", "Mara owes Brannoch 42 songs."]


def told(home: House) -> str:
    """What the first member was last told, by a question and not for a summary."""
    asked = [
        body["messages"][1]["content"]
        for body in home.stubs[0].asked
        if "keep the chronicle" not in body["messages"][0]["content"]
    ]
    return str(asked[-1])


async def test_a_second_turn_meanwhile_is_told_to_wait(home: House) -> None:
    for stub in home.stubs:
        stub.behaviour = "slow"
    session = await home.session()
    url = f"/v1/sessions/{session}/decisions"
    first = asyncio.create_task(home.decide(session, **ASK))
    await eventually(lambda: home.stubs[0].asked)
    refused = await home.client.post(url, json=ASK)
    body = assert_problem(refused, 409, "turn-under-way")
    assert "wait for the answer to the question before" in body["detail"]
    assert int(refused.headers["retry-after"]) > 0
    for stub in home.stubs:
        stub.release.set()
    await first
    assert (await home.client.post(url, json=ASK)).status_code == 200


async def test_a_question_that_fails_leaves_the_session_free(home: House) -> None:
    session = await home.session()
    home.gateway.admission._queue = 0
    async with home.gateway.admission.place(1):
        home.gateway.admission._places._value = 0
        refused = await home.client.post(f"/v1/sessions/{session}/decisions", json=ASK)
        assert_problem(refused, 503, "overloaded")
        home.gateway.admission._places._value = 1
    await home.decide(session, **ASK)


async def test_facts_are_pinned_listed_told_and_taken_away(home: House) -> None:
    session = await home.session()
    url = f"/v1/sessions/{session}/facts"
    pinned = [(await home.client.post(url, json={"text": text})).json() for text in FACTS]
    again = await home.client.post(url, json={"text": FACTS[0]})
    assert (again.status_code, again.json()) == (201, pinned[0])
    assert (await home.client.get(url)).json() == {"facts": pinned}
    await home.decide(session, **ASK)
    assert all(f"\n{text}\n" in told(home) for text in FACTS)
    assert (await home.client.delete(f"{url}/{pinned[0]['id']}")).status_code == 204
    await home.decide(session, **ASK)
    assert FACTS[0] not in told(home)
    assert_problem(await home.client.delete(f"{url}/{pinned[0]['id']}"), 404, "unknown-fact")
    assert_problem(await home.client.post(url, json={"text": "x" * 401}), 422, "invalid-request")
    for at in range(7):
        await home.client.post(url, json={"text": str(at) * 400})
    assert_problem(await home.client.post(url, json={"text": "y" * 400}), 409, "facts-full")


async def test_a_deleted_session_is_gone_and_its_decisions_stay(home: House) -> None:
    session = await home.session(player="Mara")
    decision = await home.decide(session, **ASK)
    assert (await home.client.delete(f"/v1/sessions/{session}")).status_code == 204
    assert (await home.client.delete(f"/v1/sessions/{session}")).status_code == 204
    for method, path in [
        ("GET", ""),
        ("POST", "/decisions"),
        ("GET", "/facts"),
        ("POST", "/facts"),
    ]:
        body = {"/decisions": ASK, "/facts": {"text": "x"}}.get(path) if method == "POST" else None
        answer = await home.client.request(method, f"/v1/sessions/{session}{path}", json=body)
        assert_problem(answer, 410, "session-deleted")
    assert (await home.client.get("/v1/sessions", params={"player": "Mara"})).json() == {
        "sessions": []
    }
    assert (await home.client.get(f"/v1/decisions/{decision['id']}")).status_code == 200


async def test_a_player_finds_their_sessions(home: House) -> None:
    mine = await home.session(player="Mara")
    await home.session(player="Brannoch")
    found = (await home.client.get("/v1/sessions", params={"player": "Mara"})).json()["sessions"]
    assert [each["id"] for each in found] == [mine]


async def test_other_models_begin_a_new_chapter_with_the_last_turn(home: House) -> None:
    session = await home.session()
    await home.client.post(f"/v1/sessions/{session}/facts", json={"text": FACTS[0]})
    for day in range(3):
        await home.decide(session, **{**ASK, "question": f"Rain on day {day}?"})
    assert (await home.client.get(f"/v1/sessions/{session}")).json()["handovers"] == 0
    home.write_routes(generation=8, weights=(1, 1, 1))
    await eventually(lambda: home.gateway.report().routes_generation == 8)
    await home.decide(session, **ASK)
    assert (await home.client.get(f"/v1/sessions/{session}")).json()["handovers"] == 0
    routes = home.gateway.following.routes
    assert routes is not None
    table = [route.dump() for route in routes.routes]
    table[1] |= {"revision": "0000000b"}
    home.write_routes(generation=9, routes=table)
    await eventually(
        lambda: (
            home.gateway.report().routes_generation == 9
            and all(voice.answers for voice in home.gateway.report().voices)
        )
    )
    decision = await home.decide(session, **{**ASK, "question": "And now?"})
    read = await home.client.get(f"/v1/decisions/{decision['id']}")
    place = Record.model_validate(read.json()).place
    assert place is not None
    assert (place.turn, place.chapter, place.handover) == (5, 2, "ModelsChanged")
    assert (await home.client.get(f"/v1/sessions/{session}")).json()["handovers"] == 1
    assert FACTS[0] in told(home)
    assert "Does it rain? yes" in told(home)


async def test_the_older_turns_are_retold_in_the_background(home: House) -> None:
    await home.configure(sessions={"contextTokens": 700})
    for stub in home.stubs:
        stub.answer = "yes"
    session = await home.session()
    for day in range(12):
        await home.decide(session, **{**ASK, "question": f"Does it rain on day number {day}?"})
        if any(
            "keep the chronicle" in body["messages"][0]["content"] for body in home.stubs[0].asked
        ):
            break
    for_summary = home.stubs[0].asked[-1]["messages"][1]["content"]
    assert "Does it rain on day number 0? yes" in for_summary

    await eventually(lambda: not home.gateway.teller._chronicle._writing)
    written = (await home.gateway.sessions.get(session)).summary
    assert written is not None
    assert written.text == "yes"
    assert written.through >= 1


async def test_a_summary_that_fails_leaves_the_turns(home: House) -> None:
    await home.configure(sessions={"contextTokens": 700})
    session = await home.session()
    for day in range(40):
        for stub in home.stubs:
            stub.behaviour = "good"
        await home.decide(session, **{**ASK, "question": f"Does it rain on day number {day}?"})
        for stub in home.stubs:
            stub.behaviour = "error"  # for whoever is asked between the turns
        await eventually(lambda: not home.gateway.teller._chronicle._writing)
        for seat in home.gateway.voices.seats:
            seat.member._circuit.succeed()
    found = await home.gateway.sessions.get(session)
    assert found.summary is None
    assert found.chapter > 1
    assert "Does it rain on day number 38? yes" in told(home)


async def test_a_hand_over_that_is_cut_short_happens_once(home: House) -> None:
    await home.configure(sessions={"contextTokens": 700, "handover": "Truncate"})

    async def play(session: str, turns: int) -> int:
        for turn in range(turns):
            await home.decide(session, **ASK)
            if (await home.client.get(f"/v1/sessions/{session}")).json()["handovers"]:
                return turn
        return turns

    before = await play(await home.session(), 100)
    session = await home.session()
    assert await play(session, before) == before
    for stub in home.stubs:
        stub.behaviour = "slow"
    asked = len(home.stubs[0].asked)
    cut = asyncio.create_task(home.decide(session, **ASK))
    await eventually(lambda: len(home.stubs[0].asked) > asked)
    cut.cancel()
    await asyncio.gather(cut, return_exceptions=True)
    assert (await home.client.get(f"/v1/sessions/{session}")).json()["handovers"] == 0
    for stub in home.stubs:
        stub.behaviour = "good"
    decision = await home.decide(session, **ASK)
    place = (await home.client.get(f"/v1/decisions/{decision['id']}")).json()["place"]
    assert (place["turn"], place["chapter"], place["handover"]) == (before + 1, 2, "WindowFull")
    assert (await home.client.get(f"/v1/sessions/{session}")).json()["handovers"] == 1


@pytest.mark.parametrize("handover", ["Summarize", "Truncate"])
async def test_two_hundred_turns_keep_every_fact_and_lose_no_turn(
    home: House, handover: str
) -> None:
    await home.configure(sessions={"contextTokens": 1200, "handover": handover})
    for stub in home.stubs:
        stub.answer = "yes"
    session = await home.session(player="Mara")
    for text in FACTS:
        await home.client.post(f"/v1/sessions/{session}/facts", json={"text": text})
    url = f"/v1/sessions/{session}/decisions"
    made = []
    for turn in range(1, 201):
        question = f"On day {turn} Mara stands at the gate. Does it rain?"
        answer = await home.client.post(
            url, json={**ASK, "question": question}, headers={"idempotency-key": f"turn-{turn}"}
        )
        assert answer.status_code == 200, answer.text
        made.append(answer.json()["id"])
        assert all(f"\n{text}\n" in told(home) for text in FACTS)
        if turn > 1:
            assert f"On day {turn - 1} Mara" in told(home)
    view = (await home.client.get(f"/v1/sessions/{session}")).json()
    assert view["turns"] == 200
    assert view["handovers"] >= 3
    assert len(set(made)) == 200
    listed = await home.client.get("/v1/decisions", params={"session": session, "limit": 100})
    assert [each["id"] for each in listed.json()["decisions"]] == made[:99:-1]
    chapters = [
        Record.model_validate_json(json.dumps(record)).place
        for record in [
            (await home.client.get(f"/v1/decisions/{decision}")).json() for decision in made
        ]
    ]
    assert [place.turn for place in chapters if place] == list(range(1, 201))
    summary = (await home.gateway.sessions.get(session)).summary
    assert (summary is None) == (handover == "Truncate")
