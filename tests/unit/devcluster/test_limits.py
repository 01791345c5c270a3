from pathlib import Path

import pytest

from devcluster import limits
from devcluster.progress import Progress


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    for name, wanted in limits.WANTED.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(str(wanted))
    return tmp_path


def _widen(proc: Path) -> list[str]:
    said: list[str] = []
    limits.widen(Progress(said.append), proc)
    return said


def test_limits_that_are_wide_enough_are_left_alone(proc: Path) -> None:
    assert _widen(proc) == []


def test_a_low_limit_is_raised_and_said(proc: Path) -> None:
    path = proc / "fs/inotify/max_user_instances"
    path.write_text("128\n")
    assert "from 128 to 1024" in _widen(proc)[0]
    assert path.read_text() == "1024"
    assert _widen(proc) == []


def test_a_higher_limit_is_never_lowered(proc: Path) -> None:
    path = proc / "fs/inotify/max_user_instances"
    path.write_text("9999")
    assert _widen(proc) == []
    assert path.read_text() == "9999"
