"""What the gateway logs: where something failed, and never what a player or a model said."""

import sys

import pytest

from runtime.engines import EngineError
from runtime.engines.openai_format import chunk
from runtime.engines.refusals import refused
from runtime.logs import discreet

SECRET = "Mara hides the coal"


def rendered() -> str:
    kind, error, trace = sys.exc_info()
    assert kind is not None
    assert error is not None
    return discreet((kind, error, trace))


def test_a_traceback_says_where_and_never_what_was_said() -> None:
    try:
        try:
            raise ValueError(f"bad value {SECRET!r}")
        except ValueError as error:
            raise ExceptionGroup(SECRET, [RuntimeError(SECRET)]) from error
    except ExceptionGroup:
        told = rendered()
    assert SECRET not in told.replace("SECRET", "")
    for words in ("builtins.ValueError", "builtins.RuntimeError", "test_logs.py"):
        assert words in told


def test_what_the_system_says_of_a_file_stands() -> None:
    try:
        raise OSError(28, "No space left on device")
    except OSError:
        assert rendered().endswith("builtins.OSError: No space left on device")


@pytest.mark.parametrize("how", ["refusal", "event"])
def test_a_providers_words_are_for_whoever_asked_alone(how: str) -> None:
    error: EngineError
    if how == "refusal":
        error = refused(400, f"prompt {SECRET!r} was refused", {})
    else:
        _, ended = chunk([f'{{"error": {{"message": "{SECRET}"}}}}'.encode()])
        assert isinstance(ended, EngineError)
        error = ended
    assert SECRET in str(error)
    assert SECRET not in error.public
    assert SECRET not in error.message
