"""Events out of a stream, however it is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.engines import sse
from runtime.engines.sse import Events, LineTooLongError


@given(
    st.lists(st.binary(min_size=1, max_size=20).filter(lambda data: b"\n" not in data)),
    st.integers(1, 50),
    st.sampled_from([b"\n", b"\r\n"]),
)
def test_cuts_change_nothing(data: list[bytes], size: int, end: bytes) -> None:
    stream = b"".join(b": ping" + end + b"data: " + each + end * 2 for each in data)
    events = Events()
    found = [
        event for at in range(0, len(stream), size) for event in events.feed(stream[at : at + size])
    ]
    assert found == [stripped for each in data if (stripped := each.strip())]


def test_other_fields_and_half_lines_are_no_events() -> None:
    assert Events().feed(b"event: x\nid: 1\ndata:\n\nretry: 5\ndata: 1") == []


def test_a_line_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_LINE_BYTES", 10)
    events = Events()
    events.feed(b"data: 1234")
    with pytest.raises(LineTooLongError):
        events.feed(b"5")
