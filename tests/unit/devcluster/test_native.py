from dataclasses import replace
from pathlib import Path

import pytest

from devcluster import build, native, ports, record, start, systemimages
from devcluster.errors import ClusterError, StartError
from devcluster.layout import Layout, state_of
from devcluster.native import NativeCluster
from devcluster.progress import Progress


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Layout]:
    """Every layout that was started, on a machine where nothing is."""
    found: list[Layout] = []
    monkeypatch.setattr(ports, "is_free", lambda port: True)
    monkeypatch.setattr(build, "ensure", lambda groups, progress: None)
    monkeypatch.setattr(systemimages, "ensure", lambda progress: Path("images.tar"))
    monkeypatch.setattr(start, "run", lambda layout, images, progress: found.append(layout))
    monkeypatch.setattr(start, "is_well", lambda layout: layout in found)
    return found


def _up(nodes: int = 1) -> tuple[NativeCluster, list[str]]:
    said: list[str] = []
    return native.up("story", nodes, Progress(said.append)), said


def test_a_cluster_that_is_well_is_left_alone(started: list[Layout]) -> None:
    _up()
    cluster, said = _up()
    assert len(started) == 1
    assert said == ["  · it runs already"]
    assert cluster.kubeconfig == state_of("story") / "kubeconfig"


def test_asking_for_more_nodes_adds_them_and_for_fewer_removes_none(
    started: list[Layout],
) -> None:
    _up(1)
    _up(2)
    _up(1)
    assert [layout.nodes for layout in started] == [1, 2]
    assert len({layout.port for layout in started}) == 1


@pytest.mark.parametrize("nodes", [0, -1, 10])
def test_a_number_of_nodes_that_cannot_be_is_refused(nodes: int) -> None:
    with pytest.raises(ClusterError, match="1 to 9"):
        _up(nodes)


def test_after_a_restart_of_the_machine_it_begins_afresh(started: list[Layout]) -> None:
    _up()
    made = record.load("story")
    assert made is not None
    record.save("story", replace(made, boot="an earlier one"))
    (state_of("story") / "etcd").mkdir()
    _, said = _up()
    assert "restarted" in said[0]
    assert not (state_of("story") / "etcd").exists()
    assert record.load("story") == made


def test_a_start_that_failed_is_remembered_so_that_the_next_continues(
    started: list[Layout], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StartError("etcd ended")

    with monkeypatch.context() as patch:
        patch.setattr(start, "run", fail)
        with pytest.raises(StartError):
            _up()
    assert native.find("story") is not None
    _up()
    assert [layout.name for layout in started] == ["story"]


def test_down_leaves_no_file_behind(started: list[Layout]) -> None:
    cluster, _ = _up()
    cluster.down()
    assert native.find("story") is None
    assert not state_of("story").parent.exists()


def test_down_of_what_was_never_up_says_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    native.down("story", Progress(said.append))
    assert said == []


def test_the_log_setting_is_the_clusters_not_the_commands(started: list[Layout]) -> None:
    native.up("story", 1, Progress(lambda _: None), audit=False)
    cluster, _ = _up()
    assert cluster.audit_log is None
