"""Answers by waiting: repeatable, obedient to a schema, at the pace asked for."""

import asyncio
import json
from typing import Any

import pytest

from runtime.llamacpp.chunks import EngineError, whole
from runtime.llamacpp.paced import PacedEngine, pieces

VOTE = {
    "type": "json_schema",
    "json_schema": {
        "name": "vote",
        "schema": {
            "type": "object",
            "properties": {"choice": {"enum": ["fight", "flee", "talk"]}},
            "required": ["choice"],
        },
    },
}


def ask(text: str = "The bridge is out.", **rest: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **rest}


def text_of(request: dict[str, Any]) -> str:
    return "".join(piece.text for piece in pieces(request))


async def answer(engine: PacedEngine, request: dict[str, Any]) -> dict[str, Any]:
    return whole([json.loads(chunk) async for chunk in engine.stream(request)])


def test_the_same_prompt_and_seed_give_the_same_text() -> None:
    assert text_of(ask(seed=1)) == text_of(ask(seed=1))
    assert text_of(ask(seed=1)) != text_of(ask(seed=2))
    assert text_of(ask("a")) != text_of(ask("b"))


def test_what_does_not_change_the_question_does_not_change_the_answer() -> None:
    assert text_of(ask(seed=1)) == text_of(ask(seed=1, stream=True, user="p-17"))


def test_a_vote_is_valid_and_seeds_disagree() -> None:
    votes = [json.loads(text_of(ask(seed=seed, response_format=VOTE))) for seed in range(40)]
    assert all(set(vote) == {"choice"} for vote in votes)
    assert {vote["choice"] for vote in votes} == {"fight", "flee", "talk"}


def test_a_json_object_may_come_with_or_without_a_schema() -> None:
    assert json.loads(text_of(ask(response_format={"type": "json_object"}))) == {}
    schema = {"type": "object", "properties": {"x": {"const": 1}}}
    wanted = {"type": "json_object", "schema": schema}
    assert json.loads(text_of(ask(response_format=wanted))) == {"x": 1}


def test_a_schema_that_is_not_covered_is_a_bad_request() -> None:
    wanted = {"type": "json_schema", "json_schema": {"schema": {"type": "string", "pattern": "a"}}}
    with pytest.raises(EngineError, match=r"response_format: the schema uses 'pattern'") as raised:
        pieces(ask(response_format=wanted))
    assert raised.value.status == 400


async def test_an_answer_is_cut_where_the_request_says() -> None:
    engine = PacedEngine("jester", 1e6)
    cut = await answer(engine, ask(max_tokens=3))
    full = await answer(engine, ask())
    assert cut["choices"][0]["finish_reason"] == "length"
    assert cut["usage"]["completion_tokens"] == 3
    assert full["choices"][0]["finish_reason"] == "stop"
    assert full["choices"][0]["message"]["content"].startswith(
        cut["choices"][0]["message"]["content"]
    )
    assert full["id"] != cut["id"]


async def test_log_probabilities_are_there_when_asked_for() -> None:
    engine = PacedEngine("jester", 1e6)
    asked = (await answer(engine, ask(logprobs=True)))["choices"][0]
    assert (
        "".join(token["token"] for token in asked["logprobs"]["content"])
        == (asked["message"]["content"])
    )
    assert all(token["logprob"] <= 0 for token in asked["logprobs"]["content"])
    assert "logprobs" not in (await answer(engine, ask()))["choices"][0]


@pytest.mark.looptime
async def test_the_pace_is_kept() -> None:
    clock = asyncio.get_running_loop().time
    started = clock()
    done = await answer(PacedEngine("jester", 20), ask())
    assert clock() - started == pytest.approx(done["usage"]["completion_tokens"] / 20)
