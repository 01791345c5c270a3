"""Every line of the log is one JSON object, whoever wrote it."""

import io
import json
import logging
import warnings
from collections.abc import Iterator

import pytest
import structlog

from operators import logs


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level, filters = root.handlers[:], root.level, warnings.filters[:]
    levels = {name: logging.getLogger(name).level for name in logs.LEVELS}
    stream = io.StringIO()
    yield stream
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)
    warnings.filters[:] = filters  # type: ignore[index]
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    structlog.reset_defaults()


def lines(out: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_our_own_events_carry_the_object_and_the_trace(out: io.StringIO) -> None:
    logs.configure("info", out)
    with structlog.contextvars.bound_contextvars(object={"kind": "World"}, trace="abc"):
        structlog.get_logger("operators.x").info("reconciled", wrote=["status"])
    (line,) = lines(out)
    assert line["event"] == "reconciled"
    assert line["object"] == {"kind": "World"}
    assert (line["trace"], line["logger"], line["level"]) == ("abc", "operators.x", "info")
    assert str(line["timestamp"]).endswith("Z")


def test_libraries_speak_the_same_format_and_only_of_trouble(out: io.StringIO) -> None:
    logs.configure("info", out)
    logging.getLogger("kopf.objects").info("chatter")
    logging.getLogger("kopf._core.reactor.running").warning("signals are ignored")
    logging.getLogger("kopf._cogs.clients").warning("the watch is slow: %s", "pods")
    warnings.warn("old ways", DeprecationWarning, stacklevel=1)
    events = [str(line["event"]) for line in lines(out)]
    assert events[0] == "the watch is slow: pods"
    assert "old ways" in events[1]


def test_a_defect_shows_its_frames_and_no_values(out: io.StringIO) -> None:
    logs.configure("info", out)
    password = "hunter2"
    try:
        raise ValueError(f"a defect of {len(password)} characters")
    except ValueError:
        structlog.get_logger("operators.x").exception("a look failed")
    (line,) = lines(out)
    assert "ValueError" in json.dumps(line["exception"])
    assert password not in json.dumps(line)
