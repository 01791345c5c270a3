"""How many tokens a text can have, without the model's own tokenizer: a bound, not a guess.

A token of a byte-level vocabulary is at least one byte. Letters are merged in every such
vocabulary: English prose has four to five a token, names and other languages in Latin letters more
than two. What is no word of any language is not merged that far, so that a player who types noise
is counted by the byte; so are digits, signs and everything beyond ASCII.
"""

import re

from runtime.remembered import remembered

_WORD = re.compile(r" ?[A-Za-z]+")
#: Letters that no word has so: five consonants in a row, or no vowel among four; a capital after a
#: small letter; more than a long word has.
_NOISE = re.compile(
    r"(?i:[bcdfghjklmnpqrstvwxz]{5})|^ ?(?i:[bcdfghjklmnpqrstvwxz]{4,})$|[a-z][A-Z]|[A-Za-z]{24}"
)


@remembered  # most are told again turn after turn
def at_most(text: str) -> int:
    """Tokens of a text, at most.

    >>> at_most("The fox is red.")
    10
    >>> at_most("灰")
    3
    """
    return _counted(text)


def clip(text: str, tokens: int) -> str:
    """As much of the beginning as has no more than so many tokens, with a mark where it was cut."""
    text = text.strip()
    if at_most(text) <= tokens:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if _counted(f"{text[:middle].rstrip()}…") <= tokens:
            low = middle
        else:
            high = middle - 1
    return f"{text[:low].rstrip()}…" if low else ""


def _counted(text: str) -> int:
    tokens = len(text.encode(errors="replace"))
    for match in _WORD.finditer(text):
        word = match[0]
        if _NOISE.search(word) is None:
            tokens -= len(word) // 2
    return tokens
