"""What is worked out of a text is worked out once, and no length of texts fills the memory."""

import itertools
import tracemalloc

from runtime.remembered import LONG, SHORT, SHORT_ONES, remembered


def test_what_was_said_is_said_again() -> None:
    asked: list[str] = []

    @remembered
    def length(text: str) -> int:
        """How long it is."""
        asked.append(text)
        return len(text)

    texts = ["", "short", "s" * SHORT, "l" * LONG]
    for text in texts * 2:
        assert length(text) == len(text)
    assert asked == texts
    assert length.__doc__ == "How long it is."


def test_what_is_longer_than_any_prompt_is_not_remembered() -> None:
    numbers = itertools.count()
    number = remembered(lambda _: next(numbers))
    assert [number("x" * (LONG + 1)) for _ in range(2)] == [0, 1]


def test_texts_of_players_do_not_fill_the_memory_however_long_they_are() -> None:
    same = remembered(lambda text: text)
    tracemalloc.start()
    try:
        for length in (SHORT, LONG, 8 * LONG):
            for number in range(SHORT_ONES + SHORT_ONES // 2):
                same(f"{number:>{length}}")
        live, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert live < 6 * 2**20
