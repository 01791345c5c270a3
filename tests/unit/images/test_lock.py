"""The hashed requirements of the images agree with pyproject.toml and with what tests run with."""

import re
from pathlib import Path

import pytest

from images.lock import APART, LockError, name_of, requirements
from images.targets import ROOT, TARGETS


def pins(lock: Path) -> dict[str, str]:
    found = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", lock.read_text(), re.M)
    return {name_of(name): version for name, version in found}


@pytest.mark.parametrize("name", TARGETS)
def test_every_direct_requirement_is_locked(name: str) -> None:
    locked = pins(ROOT / f"images/requirements/{name}.txt")
    missing = {name_of(line) for line in requirements(TARGETS[name])} - set(locked)
    assert not missing, "run `python -m images lock`"


@pytest.mark.parametrize("name", TARGETS)
def test_pods_run_the_versions_that_tests_run(name: str) -> None:
    tested = pins(ROOT / "requirements/dev.txt")
    locked = pins(ROOT / f"images/requirements/{name}.txt")
    other = {key: (locked[key], tested[key]) for key in locked.keys() & tested.keys()}
    assert not {key: pair for key, pair in other.items() if pair[0] != pair[1]}


@pytest.mark.parametrize("lock", sorted((ROOT / "images/requirements").glob("*.txt")), ids=str)
def test_a_lock_has_a_hash_for_everything_and_no_address(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    for block in re.split(r"\n(?=[A-Za-z0-9])", text.strip()):
        assert "--hash=sha256:" in block, block


@pytest.mark.parametrize("lock", APART, ids=str)
def test_models_are_locked_without_their_dependencies(lock: Path) -> None:
    assert pins(ROOT / lock) == dict(wheel.split("==") for wheel in APART[lock])


def test_no_image_installs_what_downloads_models() -> None:
    locks = [ROOT / f"images/requirements/{name}.txt" for name in TARGETS]
    assert not {name for lock in locks for name in pins(lock)} & {"huggingface-hub", "tokenizers"}


def test_the_engine_does_not_install_what_only_the_command_line_needs() -> None:
    names = {name_of(line) for line in requirements(TARGETS["engine"])}
    assert not names & {"typer", "rich", "pydantic", "cryptography"}


def test_an_extra_that_is_gone_is_named(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\ndependencies = ["aiohttp"]\n[project.optional-dependencies]\n'
    )
    with pytest.raises(LockError, match=r"no extra \[engine\], which image engine installs"):
        requirements(TARGETS["engine"], tmp_path)


@pytest.mark.parametrize(
    ("line", "name"),
    [("Uvicorn[standard]>=0.54", "uvicorn"), ("a_b.c>=1", "a-b-c"), ("pyyaml", "pyyaml")],
)
def test_names_are_normalised(line: str, name: str) -> None:
    assert name_of(line) == name
