"""When nothing begins by itself, and until when."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.freeze import DAYS, frozen
from crds.freeze import FreezeWindow

#: A Monday.
NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


def window(name: str = "raids", **how: Any) -> FreezeWindow:
    return FreezeWindow.model_validate({"name": name, **how})


def once(starts: str, ends: str, name: str = "launch") -> FreezeWindow:
    return window(name, once={"starts": starts, "ends": ends})


def weekly(days: list[str], start: str, hours: int, zone: str | None = None) -> FreezeWindow:
    where = {"timeZone": zone} if zone else {}
    return window(weekly={"days": days, "start": start, "hours": hours, **where})


def until(*windows: FreezeWindow, now: datetime = NOW) -> str | None:
    found = frozen(windows, now)
    return found.until.isoformat() if found and found.until else None


def test_a_window_holds_from_its_first_second_to_before_its_last() -> None:
    made = once("2026-11-23T12:00:00Z", "2026-11-23T13:00:00Z")
    assert until(made) == "2026-11-23T13:00:00+00:00"
    assert until(made, now=NOW - timedelta(seconds=1)) is None
    assert until(made, now=NOW + timedelta(hours=1)) is None


@pytest.mark.parametrize(
    ("zone", "ends"),
    [(None, "2026-11-23T17:00:00"), ("Europe/Paris", "2026-11-23T16:00:00"), ("Asia/Tokyo", None)],
)
def test_a_weekly_window_goes_by_the_clock_of_its_place(zone: str | None, ends: str | None) -> None:
    """It is noon in UTC, one o'clock in Paris, and nine in the evening in Tokyo."""
    found = until(weekly(["Monday"], "12:00", 5, zone))
    assert found == (f"{ends}+00:00" if ends else None)


def test_it_may_have_begun_days_ago() -> None:
    made = weekly(["Friday"], "18:00", 72)
    assert until(made) == "2026-11-23T18:00:00+00:00"


def test_the_hours_really_pass_when_clocks_are_set_back() -> None:
    """In Paris on the 25th of October 2026 one hour comes twice."""
    made = weekly(["Sunday"], "00:00", 24, "Europe/Paris")
    night = datetime(2026, 10, 25, 1, 0, tzinfo=UTC)
    assert until(made, now=night) == "2026-10-25T22:00:00+00:00"


def test_windows_that_follow_on_each_other_are_one() -> None:
    first = once("2026-11-23T11:00:00Z", "2026-11-23T13:00:00Z", "patch")
    second = once("2026-11-23T12:30:00Z", "2026-11-23T15:00:00Z", "party")
    third = once("2026-11-23T16:00:00Z", "2026-11-23T17:00:00Z", "later")
    found = frozen([first, second, third], NOW)
    assert found is not None
    assert found.words == "freeze window patch lasts until 2026-11-23T15:00:00Z"


@pytest.mark.parametrize(
    "wrong",
    [
        weekly(["Monday"], "12:00", 1, "Mars/Olympus"),
        weekly(["Monday"], "12:00", 1, "A//B"),
        weekly(["Monday"], "12:00", 1, "Europe"),
        once("2026-13-45T12:00:00Z", "2026-11-23T15:00:00Z"),
    ],
)
def test_a_window_that_nobody_understands_holds_until_it_is_corrected(wrong: FreezeWindow) -> None:
    found = frozen([wrong], NOW)
    assert found is not None
    assert found.until is None
    assert "correct it in spec.freezeWindows of the World" in found.words


@given(
    st.sets(st.sampled_from(DAYS), min_size=1),
    st.times(),
    st.integers(1, 168),
    st.sampled_from(["UTC", "Europe/Paris", "America/New_York", "Pacific/Apia"]),
    st.integers(0, 10 * 366 * 86_400).map(lambda seconds: NOW + timedelta(seconds=seconds)),
)
def test_what_is_frozen_is_so_until_it_ends_and_not_after(
    days: set[str], start: Any, hours: int, zone: str, now: datetime
) -> None:
    made = weekly(sorted(days), start.strftime("%H:%M"), hours, zone)
    found = frozen([made], now)
    if found is None:
        return
    assert found.until is not None
    assert now < found.until
    just_before = frozen([made], found.until - timedelta(microseconds=1))
    assert just_before is not None
    if hours < 24:
        assert found.until - now <= timedelta(hours=24 * 7)
