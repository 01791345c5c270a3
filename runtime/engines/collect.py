"""From a stream to a whole answer, and what does not count as one."""

from contextlib import aclosing

from runtime.engines.base import Engine, EngineError, Prompt, Reply

#: An answer beyond this is a runaway engine, whatever limit it was given.
MAX_CHARACTERS = 256 * 1024
_WHOLE = frozenset({"stop", "end_turn", "stop_sequence", "eos"})
_CLIPPED = frozenset({"length", "max_tokens"})


async def collect(engine: Engine, prompt: Prompt) -> Reply:
    """Ask and wait for the whole answer.

    Raises:
        EngineError: the engine failed, the stream ended without a reason or with a bad one, or
            there was nothing in it.
    """
    pieces: list[str] = []
    length = 0
    finish: str | None = None
    prompt_tokens = completion_tokens = None
    async with aclosing(engine.stream(prompt)) as chunks:
        async for chunk in chunks:
            pieces.append(chunk.text)
            length += len(chunk.text)
            if length > MAX_CHARACTERS:
                raise EngineError("Protocol", f"the answer ran past {MAX_CHARACTERS} characters")
            finish = chunk.finish or finish
            prompt_tokens = chunk.prompt_tokens or prompt_tokens
            completion_tokens = chunk.completion_tokens or completion_tokens
    if finish is None:
        raise EngineError("CutStream", "the answer broke off before its end")
    reason = finish.lower()
    if reason not in _WHOLE | _CLIPPED:
        raise EngineError("Aborted", f"the engine ended the answer with {finish!r}")
    text = "".join(pieces).strip()
    if not text:
        raise EngineError("Empty", "the answer is empty")
    return Reply(text, reason in _CLIPPED, prompt_tokens, completion_tokens)
