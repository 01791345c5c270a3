"""A question: its bounds, its schema, its name."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from crds.ensemble import Sampling
from runtime.engines import Message, Prompt

PROMPT = Prompt.of("You are the bard.", "What happens?", Sampling(seed=7))


def test_the_token_bound_of_a_choice_counts_bytes() -> None:
    prompt = Prompt.of("", "", Sampling(max_tokens=1), options=("火", "门" * 40))
    assert prompt.max_tokens >= len(("门" * 40).encode())


def test_options_come_before_a_schema_of_the_callers_own() -> None:
    schema = {"type": "integer"}
    assert replace(PROMPT, json_schema=schema).schema == schema
    both = replace(PROMPT, json_schema=schema, options=("yes", "no"))
    assert both.schema is not None
    assert both.schema["properties"]["choice"]["enum"] == ["yes", "no"]


def test_the_digest_names_what_is_asked_and_not_who_asks() -> None:
    assert replace(PROMPT, traceparent="00-x").digest == PROMPT.digest
    for other in (
        replace(PROMPT, messages=(*PROMPT.messages, Message("assistant", ""))),
        replace(PROMPT, sampling=Sampling(seed=8)),
        replace(PROMPT, options=("yes",)),
        replace(PROMPT, json_schema={}),
        replace(PROMPT, stop=("END",)),
    ):
        assert other.digest != PROMPT.digest


@given(st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.text())))
def test_a_prompt_has_at_least_room_for_its_bytes(said: list[tuple[str, str]]) -> None:
    messages = tuple(Message("user", text) for _, text in said)
    prompt = Prompt(messages, Sampling())
    assert prompt.most_tokens >= sum(len(text.encode()) for _, text in said)
