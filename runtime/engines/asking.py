"""Asking until there is a whole answer: what does not count as one, when silence is a failure, and
when to ask again."""

import asyncio
import random
from collections.abc import Callable
from contextlib import aclosing

from runtime.engines.base import Chunk, Engine, EngineError, Prompt, Reply, Usage

#: An answer beyond this is a runaway engine, whatever limit it was given.
MAX_CHARACTERS = 256 * 1024
#: Times that a question is asked again, and the longest pause before the first of them, in seconds;
#: it doubles for each, and the pause is drawn from 0 to it ("full jitter").
MAX_RETRIES = 2
RETRY_SECONDS = 0.2
#: Once an engine speaks, it may be silent for half of the time that it was given, within these
#: bounds in seconds. Before its first token only the whole time binds: it may be waiting in line.
STALL_SECONDS = (1.0, 10.0)

#: The providers' words for an answer that ended by itself, and for one that was cut at its limit.
_WHOLE = frozenset({"stop", "end_turn", "stop_sequence", "eos"})
_CLIPPED = frozenset({"length", "max_tokens"})

_rng = random.SystemRandom()


def _nothing(_: object) -> None:
    """Nobody wants to know."""


async def collect(
    engine: Engine,
    prompt: Prompt,
    seconds: float,
    *,
    hear: Callable[[Chunk], None] | None = None,
    put_off: Callable[[EngineError], None] = _nothing,
) -> Reply:
    """Ask and wait for the whole answer, at most ``seconds``.

    Args:
        hear: called with each piece of the answer as it comes. Nothing is asked again after that.
        put_off: called with each failure after which the question is asked again.

    Raises:
        EngineError: the engine failed, fell silent, the stream ended without a reason or with a bad
            one, or there was nothing in it.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    answer = _Answer(hear or _nothing)
    stall = min(max(STALL_SECONDS[0], seconds / 2), STALL_SECONDS[1])
    for tried in range(MAX_RETRIES + 1):
        try:
            await _listen(engine, prompt, deadline, stall, answer)
            break
        except EngineError as error:
            pause = _pause(error, tried, deadline - loop.time())
            if pause is None or answer.began:
                raise
            put_off(error)
        await asyncio.sleep(pause)
    return answer.whole()


async def _listen(
    engine: Engine, prompt: Prompt, deadline: float, stall: float, answer: "_Answer"
) -> None:
    clock = asyncio.get_running_loop().time
    due = deadline
    try:
        async with (
            asyncio.timeout_at(deadline) as patience,
            aclosing(engine.stream(prompt, deadline - clock())) as chunks,
        ):
            async for chunk in chunks:
                if answer.add(chunk):
                    # The timer moves only now and then: that is exact enough, and costs little.
                    limit = min(deadline, clock() + stall)
                    if limit != due and (limit == deadline or abs(limit - due) > stall / 8):
                        patience.reschedule(due := limit)
    except TimeoutError:
        if due < deadline:
            raise EngineError("Stalled", f"it fell silent for {stall:.1f} s") from None
        began = "the whole" if answer.began else "a single word of the"
        raise EngineError("Timeout", f"not {began} answer within the time it had") from None


def _pause(error: EngineError, tried: int, left: float) -> float | None:
    """Seconds to wait before asking again; None: don't."""
    if not error.passing or tried >= MAX_RETRIES:
        return None
    pause = (error.retry_after or 0.0) + _rng.uniform(0.0, RETRY_SECONDS * 2**tried)
    return pause if pause < left else None


class _Answer:
    """What has come of an answer."""

    def __init__(self, hear: Callable[[Chunk], None]) -> None:
        self.began = False
        self._hear = hear
        self._events = 0
        self._pieces: list[str] = []
        self._length = 0
        self._finish: str | None = None
        self._usage = Usage()
        self._logprobs = 0.0
        self._tokens = 0

    def add(self, chunk: Chunk) -> bool:
        """Take a piece; whether it brought the answer forward."""
        self._events += 1
        self._finish = chunk.finish or self._finish
        if chunk.usage:
            self._usage = self._usage.update(chunk.usage)
        if chunk.logprobs:
            self._logprobs += sum(chunk.logprobs)
            self._tokens += len(chunk.logprobs)
        if not chunk.text:
            return False
        self.began = True
        self._pieces.append(chunk.text)
        self._length += len(chunk.text)
        if self._length > MAX_CHARACTERS:
            raise EngineError("Protocol", f"the answer ran past {MAX_CHARACTERS} characters")
        self._hear(chunk)
        return True

    def whole(self) -> Reply:
        """The answer, if it is one."""
        if not self._events:
            raise EngineError("Empty", "the engine accepted the question and answered nothing")
        if self._finish is None:
            raise EngineError("CutStream", "the answer broke off before its end")
        reason = self._finish.lower()
        if reason not in _WHOLE | _CLIPPED:
            raise EngineError("Aborted", f"the engine ended the answer with {self._finish[:40]!r}")
        text = "".join(self._pieces).strip()
        if not text:
            raise EngineError("Empty", "the answer is empty")
        return Reply(
            text,
            reason in _CLIPPED,
            self._usage,
            self._logprobs / self._tokens if self._tokens else None,
        )
