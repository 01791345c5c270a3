import pytest

from devcluster.progress import Progress


def _progress(times: list[float]) -> tuple[Progress, list[str]]:
    said: list[str] = []
    clock = iter(times)
    return Progress(said.append, clock=lambda: next(clock)), said


def test_a_step_says_how_long_it_took() -> None:
    progress, said = _progress([0, 10, 13.4])
    with progress.step("control plane"):
        pass
    assert said[0].split() == ["✓", "control", "plane", "3.4", "s"]


def test_a_long_step_is_announced_with_what_to_expect() -> None:
    progress, said = _progress([0, 0, 400])
    with progress.step("build kubernetes", "about 6.5 min"):
        assert said == ["  … build kubernetes (about 6.5 min)"]
    assert said[1].endswith("6 min 40 s")


def test_a_failed_step_is_marked_and_fails() -> None:
    progress, said = _progress([0, 0, 1])
    with pytest.raises(ValueError, match="no"), progress.step("node"):
        raise ValueError("no")
    assert said[0].startswith("  ✗ node")


def test_the_total_counts_from_the_beginning() -> None:
    progress, said = _progress([5, 17])
    progress.total("cluster is up")
    assert said[0].endswith("12.0 s")
