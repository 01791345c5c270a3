"""Answers to questions that mean the same: how alike they must be, and what must be the same."""

import asyncio
import subprocess
import sys
from collections.abc import Sequence

import pytest

from runtime.audit import Record, replay
from tests.unit.runtime.stubs.gateway import House, write_config
from tests.unit.runtime.stubs.waiting import eventually

OPTIONS = ["Through the gate", "Over the wall"]
#: Directions of some questions: the second is 0.98 like the first, the third 0.9.
DIRECTIONS = {
    "How do I enter the keep?": [1.0, 0.0, 0.0],
    "How can I get into the keep?": [0.98, 0.19899, 0.0],
    "Where is the keep?": [0.9, 0.43589, 0.0],
    "How do I not enter the keep?": [1.0, 0.0, 0.0],
}
HOW, ALIKE, WHERE, NOT = DIRECTIONS


class Embedder:
    """Knows a few questions. ``pause`` is what it takes."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.broken = False
        self.slow = False

    async def __call__(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        self.asked += texts
        if self.broken:
            raise RuntimeError("no model")
        if self.slow:
            await asyncio.Event().wait()
        return [DIRECTIONS[text] for text in texts]


@pytest.fixture
async def embedder(home: House, monkeypatch: pytest.MonkeyPatch) -> Embedder:
    monkeypatch.setattr("runtime.gateway.story.recall.EMBEDDING_SECONDS", 0.05)
    for stub in home.stubs:
        stub.answer = OPTIONS[0]
    embedder = Embedder()
    home.gateway.recall.embed = embedder
    write_config(home.folder, generation=4, cache={"semantic": {"minSimilarity": "0.97"}})
    await eventually(lambda: home.gateway.report().config_generation == 4)
    return embedder


async def ask(home: House, question: str, **more: object) -> Record:
    decision = await home.decide(
        await home.session(), question=question, **{"options": OPTIONS, **more}
    )
    read = await home.client.get(f"/v1/decisions/{decision['id']}")
    return Record.model_validate(read.json())


async def test_a_question_in_other_words_gets_the_same_answer(
    home: House, embedder: Embedder
) -> None:
    first = await ask(home, HOW)
    again = await ask(home, ALIKE)
    assert (again.cached_from, again.question) == (first.id, ALIKE)
    assert again.similarity == pytest.approx(0.98, abs=1e-4)
    assert again.result == replay(again) == first.result
    registry = home.gateway.metrics.registry
    name = "fabula_gateway_cache_lookups_total"
    assert registry.get_sample_value(name, {"result": "semantic"}) == 1
    assert registry.get_sample_value("fabula_gateway_cache_similarity_count") == 1


async def test_the_very_same_question_needs_no_embedding(home: House, embedder: Embedder) -> None:
    await ask(home, HOW)
    again = await ask(home, HOW)
    assert again.cached_from
    assert again.similarity is None
    assert embedder.asked == [HOW]


async def test_a_question_that_is_less_alike_is_asked(home: House, embedder: Embedder) -> None:
    await ask(home, HOW)
    assert (await ask(home, WHERE)).cached_from is None


async def test_a_negation_is_another_question_however_alike(
    home: House, embedder: Embedder
) -> None:
    await ask(home, HOW)
    assert (await ask(home, NOT)).cached_from is None


async def test_only_the_question_may_differ(home: House, embedder: Embedder) -> None:
    await ask(home, HOW)
    assert (await ask(home, ALIKE, context="It rains.")).cached_from is None
    assert (await ask(home, ALIKE, options=[*OPTIONS, "Not at all"])).cached_from is None


async def test_likeness_does_not_drift(home: House, embedder: Embedder) -> None:
    await ask(home, HOW)
    await ask(home, ALIKE)
    embedder.asked.clear()
    again = await ask(home, ALIKE)
    assert again.similarity is not None, "it is answered as what it is like, not as itself"
    assert len(home.gateway.recall.shelf) == 1


@pytest.mark.parametrize("trouble", ["broken", "slow"])
async def test_without_an_embedding_the_members_are_asked(
    home: House, embedder: Embedder, trouble: str
) -> None:
    setattr(embedder, trouble, True)
    assert (await ask(home, HOW)).cached_from is None
    assert (await ask(home, ALIKE)).cached_from is None
    assert (await ask(home, HOW)).cached_from, "the very same is found all the same"
    failures = home.gateway.metrics.registry.get_sample_value(
        "fabula_gateway_cache_embedding_failures_total"
    )
    assert failures == 2


async def test_an_answer_is_not_given_again_past_its_time(home: House, embedder: Embedder) -> None:
    await ask(home, HOW)
    now = home.gateway.recall.clock()
    home.gateway.recall.clock = lambda: now + 3601
    assert (await ask(home, ALIKE)).cached_from is None


async def test_prose_is_given_again_too(home: House, embedder: Embedder) -> None:
    first = await ask(home, HOW, options=None)
    again = await ask(home, ALIKE, options=None)
    assert again.cached_from == first.id
    assert again.result.text == first.result.text


async def test_the_model_that_ships_tells_what_means_the_same(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Other tests have loaded numpy with a thread a core, which is slow on a busy machine.
    monkeypatch.setattr("runtime.gateway.story.recall.EMBEDDING_SECONDS", 60.0)
    for stub in home.stubs:
        stub.answer = OPTIONS[0]
    write_config(home.folder, generation=4, cache={"semantic": {}})
    await eventually(lambda: home.gateway.report().config_generation == 4)
    first = await ask(home, "How do I open my inventory?")
    same = await ask(home, "How can I open my inventory?")
    assert same.cached_from == first.id
    assert same.similarity is not None
    assert 0.97 <= same.similarity < 1
    assert (await ask(home, "How do I not open my inventory?")).cached_from is None
    assert (await ask(home, "How do I open the gate?")).cached_from is None


def test_who_compares_nothing_does_not_pay_for_numpy() -> None:
    code = "import sys; import runtime.gateway.story.recall; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
