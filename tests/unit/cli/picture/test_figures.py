"""Numbers and times read as a person would say them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from cli.picture import figures as say
from crds.history import Criterion, Figures


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0, "0"),
        (-0.0001234, "−0.000123"),
        (1234567, "1,230,000"),
        (12.0, "12"),
        (-0.0, "0"),
        (0.1 + 0.2, "0.3"),
    ],
)
def test_a_number_has_three_digits_and_its_thousands_apart(value: float, told: str) -> None:
    assert say.number(value) == told


def test_a_difference_has_a_sign() -> None:
    assert (say.signed(1.5), say.signed(-1.5), say.signed(0)) == ("+1.5", "−1.5", "0")


@pytest.mark.parametrize(
    ("log_e", "told"),
    [(0.0, "1"), (5.7, "300"), (-9.0, "below 0.01"), (20.0, "above a million"), (-1.0, "0.37")],
)
def test_an_e_value_says_no_more_than_it_means(log_e: float, told: str) -> None:
    assert say.e_value(log_e) == told


def test_powers_of_ten_are_written_out_as_long_as_they_are_short() -> None:
    powers = [say.power(n) for n in (-4, -2, 0, 3, 12)]
    assert powers == ["10⁻⁴", "0.01", "1", "1,000", "10¹²"]


def test_a_margin_that_is_relative_follows_the_baseline() -> None:
    gold = Criterion(name="gold", better="Higher", low=0, high=500, relative_margin=0.1)
    assert say.margin(gold, Figures(baseline=200, log_e=0)) == 20
    assert say.margin(gold, Figures(log_e=0)) is None


def test_times_are_told_in_utc_and_where_the_reader_is() -> None:
    time = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    assert say.full(time) == "2026-11-23 12:00:00 UTC"
    zone = timezone(timedelta(hours=1), "CET")
    assert say.local(time, zone) == "Mon 23 Nov 13:00:00 CET"


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, "0 s"), (59.9, "59 s"), (3600, "1 h"), (93784, "1 d 2 h")]
)
def test_a_stretch_of_time_has_two_units_at_most(seconds: float, told: str) -> None:
    assert say.lasted(seconds) == told
