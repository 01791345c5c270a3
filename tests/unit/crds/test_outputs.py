"""The generated files: they are up to date, and the pages read well."""

from pathlib import Path

import pytest
import yaml

from crds import KINDS, Kind
from crds.__main__ import main, outputs
from crds.reference import page

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("path", outputs(), ids=str)
def test_the_file_is_what_the_models_say(path: Path) -> None:
    assert (ROOT / path).read_text() == outputs()[path], "run `python -m crds`"


def test_check_passes_on_what_was_written_and_fails_on_a_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["crds", "--check"])
    assert main() == 1
    assert "run `python -m crds`" in capsys.readouterr().err
    assert not list(tmp_path.iterdir()), "--check writes nothing"

    monkeypatch.setattr("sys.argv", ["crds"])
    assert main() == 0
    monkeypatch.setattr("sys.argv", ["crds", "--check"])
    assert main() == 0

    stale = next(tmp_path.glob("charts/**/*.yaml"))
    stale.write_text(stale.read_text() + "# by hand\n")
    assert main() == 1


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.names.kind)
def test_a_page_shows_every_field_and_every_message(kind: type[Kind]) -> None:
    text = page(kind)
    assert text.startswith("<!-- Written by")
    for name, field in kind.model_fields["spec"].annotation.model_fields.items():  # type: ignore[union-attr]
        assert f"`spec.{field.alias or name}`" in text
    for rule in kind.rules:
        assert rule.message in text


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.names.kind)
def test_a_table_row_has_three_cells(kind: type[Kind]) -> None:
    rows = [line for line in page(kind).splitlines() if line.startswith("| `")]
    assert len(rows) > 10
    for row in rows:
        assert row.replace("\\|", "").count("|") == 4, row


def test_the_definitions_are_plain_yaml() -> None:
    for path, text in outputs().items():
        if path.suffix == ".yaml":
            assert yaml.safe_load(text)["kind"] == "CustomResourceDefinition"
