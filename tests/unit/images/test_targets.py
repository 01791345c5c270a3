"""What an image is made of, and the key that names it."""

import re
import shutil
from pathlib import Path

import pytest

from images.process import BuildError
from images.targets import RECIPE, ROOT, TARGETS, content_key, files, stage_context


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The parts of this checkout that make the engine image."""
    for name in (*RECIPE, *TARGETS["engine"].requirements, *TARGETS["engine"].sources):
        copy = tmp_path / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy)
        else:
            shutil.copyfile(ROOT / name, copy)
    return tmp_path


@pytest.mark.parametrize("name", TARGETS)
def test_the_dockerfile_copies_what_the_table_says(name: str) -> None:
    dockerfile = (ROOT / "images/Dockerfile").read_text()
    stage = re.search(rf"^FROM builder AS {name}-app\n(.*?)^FROM", dockerfile, re.M | re.S)
    assert stage is not None
    copied = re.findall(r"^COPY (\S+) \S+$", stage.group(1), re.M)
    assert sorted(copied) == sorted(TARGETS[name].sources)
    for requirements in TARGETS[name].requirements:
        assert re.search(rf"^COPY .*{re.escape(requirements)}", dockerfile, re.M)


def test_the_engine_image_holds_nothing_of_ours_but_the_engine() -> None:
    sources = [str(path) for path in files(TARGETS["engine"]) if path.suffix == ".py"]
    assert all(path.startswith("runtime/llamacpp/") or path == "runtime/__init__.py"
               for path in sources)  # fmt: skip


@pytest.mark.parametrize(
    "name", ["images/Dockerfile", "images/requirements/model.txt", "runtime/llamacpp/paced.py"]
)
def test_every_ingredient_is_in_the_key(checkout: Path, name: str) -> None:
    before = content_key(TARGETS["engine"], checkout)
    with (checkout / name).open("a") as file:
        file.write("\n")
    assert content_key(TARGETS["engine"], checkout) != before


def test_a_renamed_file_changes_the_key(checkout: Path) -> None:
    before = content_key(TARGETS["engine"], checkout)
    (checkout / "runtime/llamacpp/paced.py").rename(checkout / "runtime/llamacpp/pacer.py")
    assert content_key(TARGETS["engine"], checkout) != before


def test_what_python_leaves_behind_is_not_in_the_key(checkout: Path) -> None:
    before = content_key(TARGETS["engine"], checkout)
    cache = checkout / "runtime/llamacpp/__pycache__"
    cache.mkdir(exist_ok=True)
    (cache / "paced.cpython-311.pyc").write_bytes(b"compiled")
    assert content_key(TARGETS["engine"], checkout) == before


def test_another_image_has_another_key() -> None:
    assert len({content_key(target) for target in TARGETS.values()}) == len(TARGETS)


def test_the_context_is_exactly_what_was_hashed(checkout: Path, tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (checkout / "runtime/llamacpp/paced.py").chmod(0o600)
    stage_context(TARGETS["engine"], context, checkout)
    staged = sorted(path.relative_to(context) for path in context.rglob("*") if path.is_file())
    assert staged == sorted(files(TARGETS["engine"], checkout))
    assert content_key(TARGETS["engine"], context) == content_key(TARGETS["engine"], checkout)
    assert {path.stat().st_mode & 0o777 for path in context.rglob("*.py")} == {0o644}


def test_a_missing_folder_is_named(checkout: Path) -> None:
    shutil.rmtree(checkout / "runtime/llamacpp")
    with pytest.raises(BuildError, match=r"image engine: runtime/llamacpp is missing from .*check"):
        content_key(TARGETS["engine"], checkout)
