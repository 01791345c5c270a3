"""Axes: whatever the values, the marks are round, in order, inside and not too many."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cli.picture.scale import Scale, decades, moments, ticks

VALUES = st.floats(-1e6, 1e6, allow_nan=False)


@given(VALUES, VALUES)
def test_marks_lie_between_the_ends_in_order_and_are_few(one: float, other: float) -> None:
    low, high = sorted((one, other))
    marks = ticks(low, high)
    assert marks == sorted(set(marks))
    assert len(marks) <= 11
    reach = 1e-6 * max(1.0, abs(low), abs(high))
    assert all(low - reach <= mark <= high + reach for mark in marks)


def test_marks_are_what_a_person_would_choose() -> None:
    assert ticks(-0.013, 0.021) == [-0.01, 0.0, 0.01, 0.02]
    assert ticks(0, 4800) == [0, 1000, 2000, 3000, 4000]
    assert decades(-1.2, 2.9) == [-1, 0, 1, 2]
    assert decades(-4, 30) == [0, 6, 12, 18, 24, 30]


@given(st.integers(0, 10**9), st.integers(1, 10**8))
def test_times_on_an_axis_are_round_inside_and_few(start: int, seconds: int) -> None:
    begin = datetime.fromtimestamp(start, UTC)
    end = begin + timedelta(seconds=seconds)
    marks = moments(begin, end)
    assert len(marks) <= 7
    assert all(begin <= mark <= end for mark in marks)


def test_hours_are_marked_on_the_hour() -> None:
    begin = datetime(2026, 11, 23, 12, 7, tzinfo=UTC)
    marks = moments(begin, begin + timedelta(hours=5))
    assert [mark.strftime("%H:%M") for mark in marks] == [
        "13:00",
        "14:00",
        "15:00",
        "16:00",
        "17:00",
    ]


@given(VALUES, VALUES, VALUES)
def test_a_place_never_lies_beyond_the_picture(low: float, high: float, value: float) -> None:
    assert 10 <= Scale(low, high, 200, 10)(value) <= 200
