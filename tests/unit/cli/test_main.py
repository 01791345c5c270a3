"""The root command knows its commands without importing them."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from cli import main

runner = CliRunner()


def test_help_names_every_command_and_imports_none() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from cli import main\n"
        "print(CliRunner().invoke(main.app, ['--help']).output)\n"
        "print('imported', sorted(m for m in sys.modules if m.startswith(('cli.', 'devcluster'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for name in (*main.COMMANDS, "version"):
        assert f" {name} " in done.stdout
    assert "imported ['cli.main']" in done.stdout


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command_can_be_loaded_and_explains_itself(name: str) -> None:
    result = runner.invoke(main.app, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage" in result.output


def test_a_group_has_its_commands() -> None:
    assert "load-image" in runner.invoke(main.app, ["dev", "--help"]).output


def test_the_version_is_that_of_the_package() -> None:
    assert runner.invoke(main.app, ["version"]).output.strip()[0].isdigit()


def test_a_missing_library_is_named_with_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(main.COMMANDS, "play", main.Lazy("missing_kit.x", "x", "x"))
    result = runner.invoke(main.app, ["play"])
    assert result.exit_code == 1
    assert "fabula play needs missing_kit; install it: pip install missing_kit" in result.output
    monkeypatch.setitem(main.EXTRAS, "missing_kit", "gateway")
    assert "pip install 'fabula[gateway]'" in runner.invoke(main.app, ["play"]).output


def test_an_unknown_command_is_refused() -> None:
    assert runner.invoke(main.app, ["conquer"]).exit_code == 2
