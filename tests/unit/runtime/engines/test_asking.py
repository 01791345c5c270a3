"""How long is waited, for what, and how often is asked: in a loop whose clock costs nothing."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest

from crds.ensemble import Sampling
from runtime.engines import Chunk, EngineError, Prompt, Usage, asking, collect

pytestmark = pytest.mark.looptime

PROMPT = Prompt.of("", "What happens?", Sampling())
END = Chunk(finish="stop")
BUSY = EngineError("Status", "503", passing=True)

#: A pause in seconds, a piece, or a failure.
Step = float | Chunk | EngineError


class Scripted:
    """An engine that does as written, one script a question."""

    def __init__(self, *scripts: Sequence[Step]) -> None:
        self._scripts = list(scripts)
        self.given: list[float] = []
        self.closed = 0

    async def stream(self, prompt: Prompt, seconds: float) -> AsyncGenerator[Chunk, None]:
        self.given.append(seconds)
        try:
            for step in self._scripts.pop(0):
                if isinstance(step, Chunk):
                    yield step
                elif isinstance(step, EngineError):
                    raise step
                else:
                    await asyncio.sleep(step)
        finally:
            self.closed += 1

    async def embed(self, texts: Sequence[str], seconds: float) -> list[list[float]]:
        raise NotImplementedError

    async def check(self) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError


def now() -> float:
    return asyncio.get_running_loop().time()


async def failure(engine: Scripted, seconds: float) -> EngineError:
    with pytest.raises(EngineError) as failed:
        await collect(engine, PROMPT, seconds)
    assert engine.closed == len(engine.given), "whoever is not listened to any more is told so"
    return failed.value


async def test_a_slow_answer_is_no_stall() -> None:
    drip = [step for _ in range(10) for step in (1.7, Chunk("word "))]
    reply = await collect(Scripted([*drip, END]), PROMPT, 20)
    assert reply.text == " ".join(["word"] * 10)


async def test_silence_in_mid_answer_is_given_up_before_the_time_is_over() -> None:
    began = now()
    error = await failure(Scripted([3.0, Chunk("The gate"), 1000.0]), 8)
    assert error.kind == "Stalled"
    assert 3 + 3.5 <= now() - began <= 3 + 4


async def test_pieces_without_words_are_silence_too() -> None:
    pings = [step for _ in range(100) for step in (0.5, Chunk())]
    began = now()
    assert (await failure(Scripted([Chunk("The gate"), *pings]), 8)).kind == "Stalled"
    assert now() - began <= 4


@pytest.mark.parametrize(("seconds", "stall"), [(1.5, 1.0), (8, 4.0), (600, 10.0)])
async def test_patience_with_silence_is_half_of_the_time_within_bounds(
    seconds: float, stall: float
) -> None:
    began = now()
    assert (await failure(Scripted([Chunk("The gate"), 1000.0]), seconds)).kind == "Stalled"
    assert stall * 7 / 8 <= now() - began <= stall + 0.001


async def test_the_first_word_may_take_all_the_time() -> None:
    reply = await collect(Scripted([7.9, Chunk("At last."), END]), PROMPT, 8)
    assert reply.text == "At last."


async def test_no_answer_is_waited_for_longer_than_it_is_of_use() -> None:
    began = now()
    error = await failure(Scripted([1000.0]), 8)
    assert (error.kind, error.message) == (
        "Timeout", "not a single word of the answer within the time it had",
    )  # fmt: skip
    assert now() - began == pytest.approx(8)
    drip = [step for _ in range(100) for step in (0.9, Chunk("word "))]
    error = await failure(Scripted(drip), 8)
    assert (error.kind, error.message) == ("Timeout", "not the whole answer within the time it had")


async def test_it_is_asked_again_twice_within_what_is_left_of_the_time() -> None:
    engine = Scripted([1.0, BUSY], [2.0, BUSY], [Chunk("At last."), END])
    assert (await collect(engine, PROMPT, 8)).text == "At last."
    first, second, third = engine.given
    assert first == pytest.approx(8)
    assert 7 - asking.RETRY_SECONDS <= second <= 7
    assert second - 2 - 2 * asking.RETRY_SECONDS <= third <= second - 2


async def test_it_is_not_asked_a_fourth_time() -> None:
    engine = Scripted([BUSY], [BUSY], [BUSY])
    assert await failure(engine, 8) is BUSY
    assert len(engine.given) == 3


async def test_it_is_not_asked_again_past_its_time() -> None:
    later = EngineError("Status", "429", passing=True, retry_after=1.0)
    engine = Scripted([7.5, later])
    assert await failure(engine, 8) is later
    assert now() == pytest.approx(7.5), "nobody waits for what cannot be"


async def test_it_is_not_asked_again_after_a_word_was_heard() -> None:
    engine = Scripted([Chunk("The gate"), BUSY])
    assert await failure(engine, 8) is BUSY
    assert len(engine.given) == 1


async def test_pauses_are_spread() -> None:
    starts = set()
    for _ in range(5):
        engine = Scripted([BUSY], [Chunk("At last."), END])
        await collect(engine, PROMPT, 8)
        starts.add(engine.given[1])
    assert len(starts) > 1


async def test_counts_that_come_in_parts_are_joined() -> None:
    first, last = Usage(prompt=40, cached=30), Usage(completion=7)
    counted = [Chunk(usage=first), Chunk("Yes."), Chunk(usage=last)]
    reply = await collect(Scripted([*counted, END]), PROMPT, 8)
    assert reply.usage == Usage(prompt=40, completion=7, cached=30)


async def test_how_sure_it_is_is_a_mean_over_all_tokens() -> None:
    pieces = [Chunk("a", logprobs=(0.0,)), Chunk("b", logprobs=(-0.5, -1.0)), END]
    reply = await collect(Scripted(pieces), PROMPT, 8)
    assert reply.mean_logprob == pytest.approx(-0.5)
    assert reply.certainty == pytest.approx(0.6065, abs=1e-4)
