"""How many second requests go out, whatever happens, and what is told of them."""

from hypothesis import given
from hypothesis import strategies as st

from runtime.gateway.members.hedging import SAVED, Hedges


@given(
    percent=st.integers(1, 50),
    late=st.lists(st.booleans(), max_size=400),
)
def test_never_more_than_the_share_is_sent_and_never_many_in_a_row(
    percent: int, late: list[bool]
) -> None:
    hedges, sent = Hedges(), 0
    for asked, is_late in enumerate(late, start=1):
        hedges.asked(percent)
        if is_late and hedges.allowed:
            hedges.sent()
            sent += 1
        assert 100 * sent <= percent * asked


def test_what_is_saved_up_while_all_is_well_has_a_bound() -> None:
    hedges = Hedges()
    for _ in range(10_000):
        hedges.asked(50)
    sent = 0
    while hedges.allowed:
        hedges.sent()
        sent += 1
    assert sent == SAVED


def test_everyone_who_is_late_is_asked_again_where_that_is_what_is_to_be_expected() -> None:
    hedges = Hedges()
    for asked in range(1, 1001):
        hedges.asked(5)
        if asked % 20 == 0:
            assert hedges.allowed
            hedges.sent()


def test_the_words_say_when_and_how_often() -> None:
    hedges = Hedges()
    assert hedges.words({"full": None}, 5) == (
        "not measured yet; 0 % of questions lately, 5 % at most"
    )
    for asked in range(100):
        hedges.asked(5)
        if asked >= 40 and asked % 20 == 0:
            hedges.sent()
    assert hedges.words({"full": 812}, 5) == (
        "asked again after 810 ms; 3 % of questions lately, 5 % at most"
    )
    assert hedges.words({"full": 812, "quantized": 96, "distilled": None}, 5).startswith(
        "asked again after 810 ms (full), 96 ms (quantized); "
    )


def test_the_words_do_not_flicker() -> None:
    hedges = Hedges()
    told = hedges.words({"full": 1000}, 5)
    for asked in range(200):
        hedges.asked(5)
        if asked == 150:
            hedges.sent()
        assert hedges.words({"full": 900 + asked}, 5) == told
    assert "1300 ms" in hedges.words({"full": 1309}, 5)
