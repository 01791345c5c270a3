"""When a chapter ends, and what the next one begins with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crds.routes import Route
from runtime.sessions import Claim, Session, Summary, Turn
from runtime.sessions.chapters import carried_over, cast_of, latest, place_of
from runtime.sessions.tokens import at_most, clip


def claim(count: int, *, cast: str | None = "old", through: int = 0, first: int = 1) -> Claim:
    summary = Summary("so far", through) if through else None
    session = Session(
        "s", "", None, None, turns=count, first_turn=first, cast=cast, summary=summary
    )
    turns = tuple(Turn(n, "q" * 20, "a" * 20) for n in range(first, count + 1))
    return Claim(session, count + 1, "t", turns)


COST = Turn(1, "q" * 20, "a" * 20).tokens


def test_within_the_window_the_chapter_goes_on() -> None:
    place = place_of(claim(3), "old", 3 * COST, "Truncate")
    assert (place.turn, place.chapter, place.first_turn, place.handover) == (4, 1, 1, None)


def test_a_full_window_begins_a_chapter_with_half_of_it_free() -> None:
    place = place_of(claim(8), "old", 7 * COST, "Truncate")
    assert (place.turn, place.chapter, place.first_turn) == (9, 2, 6)
    assert place.handover == "WindowFull"


def test_what_the_summary_tells_of_is_not_told_again_but_for_the_last_turn() -> None:
    for through, first in ((6, 7), (7, 8), (8, 8)):
        place = place_of(claim(8, through=through), "old", 6 * COST, "Summarize")
        assert place.first_turn == first
    late = place_of(claim(8, through=2), "old", 6 * COST, "Summarize")
    assert late.first_turn == 6, "a summary that lags leaves as many turns as half of the room has"


def test_other_models_begin_a_chapter_and_the_first_ones_do_not() -> None:
    assert place_of(claim(3), "new", 99 * COST, "Truncate").handover == "ModelsChanged"
    assert place_of(claim(3, cast=None), "new", 99 * COST, "Truncate").handover is None
    assert place_of(claim(0), "new", 99 * COST, "Truncate").handover is None
    nobody = place_of(claim(3), None, 99 * COST, "Truncate")
    assert (nobody.handover, nobody.cast) == (None, "old")


def test_a_window_too_small_for_one_turn_does_not_begin_chapters_for_ever() -> None:
    assert place_of(claim(5, first=5), "old", 0, "Truncate").handover is None


def test_a_cast_is_who_tells_and_not_how_much_they_count() -> None:
    def route(revision: str, weight: int) -> Route:
        return Route(
            member="a",
            revision=revision,
            weight=weight,
            engine="llamacpp",
            model="a",
            timeout_seconds=1,
        )

    assert cast_of([]) is None
    assert cast_of([route("1", 1)]) == cast_of([route("1", 9)])
    assert cast_of([route("1", 1)]) != cast_of([route("2", 1)])


TURNS = st.lists(st.text(max_size=40), max_size=12).map(
    lambda texts: [Turn(at, text, text) for at, text in enumerate(texts, 1)]
)


@given(TURNS, st.integers(0, 400))
def test_the_latest_turns_that_fit_are_the_most_that_fit(turns: list[Turn], room: int) -> None:
    told = latest(turns, room)
    assert list(told) == turns[len(turns) - len(told) :]
    assert sum(turn.tokens for turn in told) <= room
    if len(told) < len(turns):
        more = turns[len(turns) - len(told) - 1 :]
        assert sum(turn.tokens for turn in more) > room


@given(TURNS.filter(bool), st.integers(0, 400), st.integers(0, 12))
def test_the_last_turn_is_always_carried_over(turns: list[Turn], room: int, through: int) -> None:
    carried = carried_over(tuple(turns), Summary("x", through) if through else None, room)
    assert carried[-1] == turns[-1]


@given(st.text(), st.integers(0, 200))
def test_clipped_text_has_no_more_tokens_than_allowed(text: str, tokens: int) -> None:
    clipped = clip(text, tokens)
    assert at_most(clipped) <= tokens
    assert clipped == text.strip() or clipped == "" or clipped.endswith("…")


@pytest.mark.parametrize(
    ("text", "most"),
    [("", 0), ("ab", 1), ("abc d", 3), ("1,000", 5), ("é", 2), ("灰", 3), ("xqzjv", 5)],
)
def test_a_token_is_two_letters_or_one_byte_of_anything_else(text: str, most: int) -> None:
    assert at_most(text) == most


@given(st.text("[]()/AB_<> \x00\u200b\u2028a"), st.text())
def test_what_is_told_of_a_turn_is_told_as_it_is(question: str, decision: str) -> None:
    told = Turn(1, question, decision).told
    assert told.told is told
    assert told.tokens == Turn(1, told.question, told.decision).tokens
