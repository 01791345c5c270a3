"""`fabula prompts` as a person types it."""

from pathlib import Path

from typer.testing import CliRunner

from cli.prompts import app

run = CliRunner().invoke


def test_a_default_that_is_printed_to_a_file_has_nothing_to_mend(tmp_path: Path) -> None:
    printed = run(app, ["default", "user.j2"])
    (tmp_path / "user.j2").write_text(printed.output)
    checked = run(app, ["lint", str(tmp_path)])
    assert (checked.exit_code, checked.output) == (0, "user.j2: nothing to mend\n")


def test_each_finding_names_its_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "system.j2").write_text("{{ persona }}\n{{ loree }}")
    checked = run(app, ["lint", str(tmp_path / "system.j2")])
    assert checked.exit_code == 1
    assert "system.j2:2: loree is not known here; did you mean lore?" in checked.output


def test_a_folder_without_templates_is_told_their_names(tmp_path: Path) -> None:
    checked = run(app, ["lint", str(tmp_path)])
    assert checked.exit_code == 1
    assert "neither system.j2 nor user.j2" in checked.output


def test_there_is_no_default_of_another_name() -> None:
    asked = run(app, ["default", "rules.j2"])
    assert asked.exit_code == 1
    assert "system.j2, user.j2" in asked.output
