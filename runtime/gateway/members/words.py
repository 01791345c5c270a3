"""What of a model's answer is taken for its answer."""

import re

from runtime.consensus import choose
from runtime.engines import EngineError, Prompt, Reply

_SENTENCE_END = re.compile(r"[.!?…][\"'”’)]*(?=\s|$)")
#: In quotes as a whole; the closing one may have been cut off.
_QUOTED = re.compile(r"[\"“]([^\"“”]*)[\"”]?")
_SPACES = re.compile(r"[ \t]+")


def accept(prompt: Prompt, reply: Reply) -> str:
    """The option that the reply names, or its words.

    Raises:
        EngineError: it names none of the options, or no words are left.
    """
    if prompt.options is None:
        words = tidy(reply.text, clipped=reply.clipped)
        if not words:
            raise EngineError("Empty", "the answer holds no words")
        return words
    option = choose(reply.text, prompt.options)
    if option is None:
        said = repr(reply.text[:80])
        raise EngineError("OutsideOptions", "the answer is not an option", words=said)
    return option


def tidy(text: str, *, clipped: bool) -> str:
    """Prose as it may stand before a player: no quotes around the whole, no half sentence at the
    end when the engine ran out of tokens.

    >>> tidy('"The gate falls. The fires go o', clipped=True)
    'The gate falls.'
    """
    text = _SPACES.sub(" ", text).strip()
    if clipped:
        ends = [match.end() for match in _SENTENCE_END.finditer(text)]
        text = text[: ends[-1]] if ends else text
    quoted = _QUOTED.fullmatch(text)
    return quoted[1].strip() if quoted else text
