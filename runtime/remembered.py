"""What was worked out of a text, remembered while memory for it is bounded: texts come from players
and may be long, so it is their length that counts and not their number alone."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

Result = TypeVar("Result")

#: Characters of what is short, such as a turn, and how many of those are remembered.
SHORT, SHORT_ONES = 256, 8192
#: The same for what is long, such as a system prompt. What is longer still is worked out anew.
LONG, LONG_ONES = 8192, 128


def remembered(work: Callable[[str], Result]) -> Callable[[str], Result]:
    """A pure function that remembers what it said last: of 3 million characters at most."""
    of_short, of_long = lru_cache(SHORT_ONES)(work), lru_cache(LONG_ONES)(work)

    @wraps(work)
    def recall(text: str) -> Result:
        if len(text) <= SHORT:
            return of_short(text)
        return of_long(text) if len(text) <= LONG else work(text)

    return recall
