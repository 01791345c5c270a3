"""How alike two texts are: the cosine of the angle between their embeddings, and what no embedding
sees.

Small sentence models put "Should I trust him?" and "Should I not trust him?" at 0.99, and do not
know who does what to whom. So texts that differ in a number, in a negation or in the order of the
words that they share do not mean the same, however alike they are.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_NEGATIONS = frozenset(
    {"no", "not", "never", "none", "nobody", "nothing", "nowhere", "neither", "nor", "without"}
    | {"cannot", "hardly", "except"}
)


class Embed(Protocol):
    """Turns texts into vectors whose angle says how alike the texts are."""

    async def __call__(self, texts: Sequence[str]) -> "Sequence[ArrayLike]":
        """One vector for each text, all of one dimension."""
        ...


def could_mean_the_same(one: str, other: str) -> bool:
    """Whether two English texts agree in what an embedding does not see.

    >>> could_mean_the_same("How do I open the gate?", "How can I open a gate?")
    True
    >>> could_mean_the_same("Does Mara trust Ivo?", "Does Ivo trust Mara?")
    False
    """
    first, second = _words(one), _words(other)
    if sorted(filter(_decides, first)) != sorted(filter(_decides, second)):
        return False
    shared = set(first) & set(second)
    return [word for word in first if word in shared] == [word for word in second if word in shared]


def _words(text: str) -> list[str]:
    return [word.replace("’", "'") for word in _WORD.findall(text.casefold())]


def _decides(word: str) -> bool:
    return word in _NEGATIONS or word.endswith("n't") or any(each.isdigit() for each in word)
