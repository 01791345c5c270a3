"""What every engine promises, asked of each of them: the same answers, and for everything that can
go wrong on the way the same failure."""

import asyncio
from pathlib import Path

import pytest

from crds.engines import EngineKind
from crds.ensemble import Sampling
from runtime.engines import (
    Chunk,
    Engine,
    EngineError,
    FailureKind,
    Message,
    Prompt,
    collect,
)
from runtime.engines.hosted import Hosted
from tests.unit.runtime.engines.conftest import KEY, KINDS, Make
from tests.unit.runtime.stubs.hosted import Provider, Trouble, providing
from tests.unit.runtime.stubs.waiting import eventually

# The SDKs' own, at import.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

PODS = ("llamacpp", "vllm")
PROSE = Prompt.of(
    "You are the bard.",
    "What happens?",
    Sampling(temperature="0.5", top_p="0.9", seed=7, max_tokens=50),
)
CHOICE = Prompt.of(
    "You are the bard.",
    "Fight or flee?",
    Sampling(max_tokens=4),
    options=("Fight with all your strength", "Flee"),
)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short pauses and little patience."""
    monkeypatch.setattr("runtime.engines.asking.RETRY_SECONDS", 0.001)
    monkeypatch.setattr("runtime.engines.asking.STALL_SECONDS", (0.2, 0.2))


async def loaded(engine: Engine) -> None:
    """The first question to a provider waits for its SDK; here that is not the point."""
    if isinstance(engine, Hosted):
        await engine.check()


# -- what goes wrong -------------------------------------------------------------------------------

TABLE: list[tuple[Trouble, FailureKind, bool, int]] = [
    # what the server does   the failure   blames  asked
    ("bad-request",          "Status",     False,  1),
    ("too-long",             "Status",     False,  1),
    ("bad-key",              "Status",     True,   1),
    ("no-access",            "Status",     True,   1),
    ("server-error",         "Status",     True,   1),
    ("rate-limit",           "Status",     True,   3),
    ("bad-gateway",          "Status",     True,   3),
    ("unavailable",          "Status",     True,   3),
    ("gateway-timeout",      "Status",     True,   3),
    ("hang",                 "Timeout",    True,   1),
    ("mute",                 "Timeout",    True,   1),
    ("stall",                "Stalled",    True,   1),
    ("cut-early",            "Connect",    True,   3),
    ("cut",                  "CutStream",  True,   1),
    ("no-finish",            "CutStream",  True,   1),
    ("empty-choices",        "CutStream",  True,   1),
    ("empty-body",           "Empty",      True,   1),
    ("empty-text",           "Empty",      True,   1),
    ("garbage",              "Protocol",   True,   1),
    ("not-an-object",        "Protocol",   True,   1),
    ("endless",              "Protocol",   True,   1),
    ("error-event",          "Aborted",    True,   1),
    ("abort",                "Aborted",    True,   1),
    ("content-filter",       "Aborted",    True,   1),
]  # fmt: skip


@pytest.mark.parametrize(("trouble", "failure", "blames", "asked"), TABLE)
async def test_each_failure_has_its_name_and_is_tried_again_only_where_safe(
    engine: Engine,
    provider: Provider,
    trouble: Trouble,
    failure: FailureKind,
    blames: bool,
    asked: int,
) -> None:
    await loaded(engine)
    provider.trouble = trouble
    seconds = 0.2 if failure == "Timeout" else 5
    with pytest.raises(EngineError) as failed:
        await collect(engine, PROSE, seconds)
    assert (failed.value.kind, failed.value.blames_member) == (failure, blames), failed.value
    assert len(provider.asked) == asked
    assert KEY not in str(failed.value)
    assert KEY not in repr(failed.value.__dict__)
    assert len(str(failed.value)) < 500
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize("trouble", ["web-page", "long-line"])
async def test_what_is_no_stream_is_no_answer(
    engine: Engine, provider: Provider, trouble: Trouble
) -> None:
    await loaded(engine)
    provider.trouble = trouble
    with pytest.raises(EngineError) as failed:
        await collect(engine, PROSE, 5)
    assert failed.value.kind in ("Protocol", "Empty")
    assert failed.value.blames_member


async def test_nobody_listening_is_a_failure_to_connect(kind: EngineKind, make: Make) -> None:
    async with providing(Provider()) as provider:
        url = provider.url
    put_off: list[EngineError] = []
    with pytest.raises(EngineError) as failed:
        await collect(make(kind, url), PROSE, 5, put_off=put_off.append)
    assert failed.value.kind == "Connect"
    assert [error.kind for error in put_off] == ["Connect", "Connect"]


async def test_a_passing_trouble_is_survived(engine: Engine, provider: Provider) -> None:
    provider.trouble, provider.times = "unavailable", 2
    assert (await collect(engine, PROSE, 5)).text == "The gate opens."


async def test_a_wish_to_be_left_alone_is_kept_and_passed_on(
    engine: Engine, provider: Provider
) -> None:
    provider.trouble, provider.retry_after = "rate-limit", "0.3"
    provider.times = 1
    put_off: list[EngineError] = []
    began = asyncio.get_running_loop().time()
    await collect(engine, PROSE, 5, put_off=put_off.append)
    assert asyncio.get_running_loop().time() - began >= 0.3
    assert [error.retry_after for error in put_off] == [0.3]


async def test_nothing_is_tried_again_past_the_deadline(engine: Engine, provider: Provider) -> None:
    provider.trouble, provider.retry_after = "rate-limit", "30"
    with pytest.raises(EngineError) as failed:
        await collect(engine, PROSE, 5)
    assert len(provider.asked) == 1
    assert failed.value.retry_after == 30


async def test_leaving_stops_the_generation(engine: Engine, provider: Provider) -> None:
    provider.trouble = "stall"
    heard: list[Chunk] = []
    asking = asyncio.create_task(collect(engine, PROSE, 5, hear=heard.append))
    await eventually(lambda: heard)
    asking.cancel()
    await eventually(lambda: provider.cancelled)


# -- what goes right -------------------------------------------------------------------------------


async def test_prose_comes_whole_with_its_tokens(engine: Engine, provider: Provider) -> None:
    reply = await collect(engine, PROSE, 5)
    assert (reply.text, reply.clipped) == ("The gate opens.", False)
    usage = reply.usage
    assert (usage.prompt, usage.completion, usage.cached) == (40, 7, 30)
    asked = str(provider.asked[0])
    for part in ("You are the bard.", "What happens?", "0.5", "0.9", "50"):
        assert part in asked


async def test_the_pieces_that_are_heard_make_the_whole(engine: Engine) -> None:
    heard: list[Chunk] = []
    reply = await collect(engine, PROSE, 5, hear=heard.append)
    assert "".join(chunk.text for chunk in heard) == reply.text


async def test_a_choice_is_bound_to_the_options_and_never_cut(
    engine: Engine, provider: Provider
) -> None:
    provider.answer = '{"choice": "Flee"}'
    assert (await collect(engine, CHOICE, 5)).text == '{"choice": "Flee"}'
    assert "'enum': ['Fight with all your strength', 'Flee']" in str(provider.asked[0])
    assert f"{CHOICE.max_tokens}" in str(provider.asked[0])
    assert CHOICE.max_tokens > len("Fight with all your strength")


async def test_a_schema_of_the_callers_own_is_handed_on(engine: Engine, provider: Provider) -> None:
    schema = {"type": "object", "properties": {"gold": {"type": "integer"}}}
    await collect(engine, Prompt(PROSE.messages, Sampling(), json_schema=schema), 5)
    assert "'gold': {'type': 'integer'}" in str(provider.asked[0])


async def test_a_conversation_keeps_its_order_and_its_speakers(
    engine: Engine, kind: EngineKind, provider: Provider
) -> None:
    talk = (
        Message("system", "You are the bard."),
        Message("user", "Who are you?"),
        Message("assistant", "The bard."),
        Message("user", "And I?"),
    )
    await collect(engine, Prompt(talk, Sampling(), stop=("\n\n", "END")), 5)
    asked = provider.asked[0]
    assert "'END'" in str(asked)
    said = asked.get("messages") or asked["contents"]
    them = {"google": "model"}.get(kind, "assistant")
    assert [one["role"] for one in said][-3:] == ["user", them, "user"]
    assert "The bard." in str(said[-2])
    assert "You are the bard." in str(asked)


async def test_the_deadline_travels_with_the_question(
    engine: Engine, kind: EngineKind, provider: Provider
) -> None:
    await collect(engine, PROSE, 5)
    header = {
        "openai": "x-stainless-read-timeout",
        "anthropic": "x-stainless-read-timeout",
        "google": "x-server-timeout",
    }.get(kind, "x-request-timeout-ms")
    given = float(provider.headers[0][header])
    assert 0 < (given / 1000 if kind in PODS else given) <= 5


async def test_vectors_come_in_the_order_of_the_texts(engine: Engine, kind: EngineKind) -> None:
    if kind == "anthropic":
        with pytest.raises(EngineError) as failed:
            await engine.embed(["one", "two"], 5)
        assert (failed.value.kind, failed.value.blames_member) == ("NotOffered", False)
        return
    assert await engine.embed(["one", "two"], 5) == [[0.0, 0.5], [1.0, 0.5]]


async def test_connections_are_kept(engine: Engine, provider: Provider) -> None:
    """As many as are open at once, not one a question."""
    for _ in range(5):
        await collect(engine, PROSE, 5)
    assert len(provider.peers) == 1


# -- keys, for those that need one -----------------------------------------------------------------

hosted = pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in PODS])


@hosted
@pytest.mark.parametrize("trouble", ["bad-key", "no-access"])
async def test_a_refused_key_names_the_secret_and_not_the_providers_words(
    engine: Engine, provider: Provider, trouble: Trouble
) -> None:
    provider.trouble = trouble
    with pytest.raises(
        EngineError, match="the API key in Secret the-secret, key api-key"
    ) as failed:
        await collect(engine, PROSE, 5)
    assert "told to fail" not in str(failed.value)


@hosted
async def test_the_key_is_read_again_when_it_rotates(
    engine: Engine, provider: Provider, key: Path
) -> None:
    await collect(engine, PROSE, 5)
    await asyncio.to_thread(key.write_text, "second-key")
    await collect(engine, PROSE, 5)
    assert provider.keys == [KEY, "second-key"]


@hosted
async def test_a_missing_key_names_the_secret_and_the_command(
    engine: Engine, provider: Provider, key: Path
) -> None:
    await engine.check()
    await asyncio.to_thread(key.unlink)
    for asking in (engine.check(), collect(engine, PROSE, 5)):
        with pytest.raises(EngineError, match="kubectl create secret generic the-secret") as failed:
            await asking
        assert failed.value.kind == "MissingKey"
    assert provider.asked == []
