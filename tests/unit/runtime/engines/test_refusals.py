"""What an error status says."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from runtime.engines.refusals import refused, retry_after


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30.0), ("0.5", 0.5), ("-1", 0.0), (None, None), ("", None), ("soon", None),
        ("nan", None), ("inf", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
    ],
)  # fmt: skip
def test_retry_after_is_read_in_both_its_forms(header: str | None, seconds: float | None) -> None:
    assert retry_after(header) == seconds


def test_a_date_is_counted_from_now() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 55 < (retry_after(date) or 0) <= 60


def test_who_refuses_for_good_cannot_ask_to_be_left_alone() -> None:
    error = refused(400, "no", {"retry-after": "30"})
    assert (error.blames_member, error.passing, error.retry_after) == (False, False, None)


def test_its_words_stay_on_one_short_line() -> None:
    assert len(refused(500, "a\nb " * 1000, {}).message) < 320
