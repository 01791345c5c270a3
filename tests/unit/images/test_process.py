"""Outside commands: output, errors, time limits."""

from pathlib import Path

import pytest

from images.process import BuildError, run


def test_output_is_returned_logged_and_told_line_by_line(tmp_path: Path) -> None:
    log, lines = tmp_path / "log", list[str]()
    output = run(["sh", "-c", "echo one; echo two >&2"], timeout=10, log=log, on_line=lines.append)
    assert output == "one\ntwo\n"
    assert lines == ["one", "two"]
    assert log.read_text() == "$ sh -c echo one; echo two >&2\none\ntwo\n"


def test_a_failure_names_the_status_the_log_and_the_end_of_the_output(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(BuildError, match=r"sh -c \.\.\. ended with status 3") as raised:
        run(["sh", "-c", "seq 100; echo no space left; exit 3"], timeout=10, log=log)
    message = str(raised.value)
    assert message.endswith("no space left")
    assert str(log) in message
    assert "\n50\n" not in message


def test_what_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"did not finish within 0 s and was stopped"):
        run(["sh", "-c", "sleep 60 & sleep 60"], timeout=0.2, log=tmp_path / "log")


def test_a_listener_that_fails_ends_the_command(tmp_path: Path) -> None:
    def fail(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(["sh", "-c", "echo x; sleep 60"], timeout=30, log=tmp_path / "log", on_line=fail)
