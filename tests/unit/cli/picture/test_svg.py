"""Labels keep apart from one another and above the axis, and text stays text."""

from itertools import pairwise
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from cli.picture.svg import Drawing, apart

LOWEST = 200.0


@given(st.lists(st.floats(20, 200), min_size=1, max_size=4))
def test_labels_lie_apart_in_their_order_and_not_below_the_lowest_place(
    heights: list[float],
) -> None:
    placed = apart(heights, LOWEST)
    order = sorted(range(len(heights)), key=heights.__getitem__)
    assert max(placed) <= LOWEST
    for before, after in pairwise(order):
        assert placed[after] - placed[before] >= 13.999


def test_labels_that_are_apart_stay_where_they_are() -> None:
    assert apart([100.0, 20.0, 60.0], LOWEST) == [100.0, 20.0, 60.0]


def test_words_are_no_markup() -> None:
    words = '</text><script>"&amp;'
    drawing = Drawing("one", 10, 10, words, words)
    drawing.text((1, 1), words)
    root = ElementTree.fromstring(str(drawing))
    assert [child.text for child in root] == [words] * 3
