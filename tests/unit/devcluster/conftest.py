"""A place of its own for every test: no test of this folder sees the clusters of the machine."""

from pathlib import Path

import pytest

from devcluster.layout import Layout


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBECONFIG", raising=False)


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A cluster named `story` with its run folder below the test's own folder."""
    monkeypatch.setattr(Layout, "run", property(lambda self: tmp_path / "run" / self.name))
    found = Layout("story", slot=3, nodes=2)
    found.run.mkdir(parents=True)
    found.state.mkdir(parents=True)
    return found
