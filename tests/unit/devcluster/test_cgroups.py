import subprocess
from pathlib import Path

import pytest

from devcluster import cgroups
from devcluster.cgroups import Hierarchy
from devcluster.errors import ClusterError

MIXED = """\
27 22 0:24 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
28 27 0:25 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
29 27 0:26 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
VERSION_2 = "30 22 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


def test_programs_live_in_version_2_where_both_are_mounted() -> None:
    found = cgroups.hierarchies(MIXED)
    assert [each.root.name for each in found] == ["unified", "cpu"]
    assert cgroups.hierarchies(VERSION_2) == [Hierarchy(Path("/sys/fs/cgroup"), True)]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two hierarchies made of ordinary folders."""
    found = [Hierarchy(tmp_path / "unified", True), Hierarchy(tmp_path / "cpuset", False)]
    for each in found:
        each.root.mkdir()
    (tmp_path / "unified" / "cgroup.controllers").write_text("cpu pids\n")
    monkeypatch.setattr(cgroups, "hierarchies", lambda: found)
    return tmp_path


def test_nodes_get_a_group_in_every_hierarchy_and_programs_one(tree: Path) -> None:
    cgroups.create("fabula/x", ["node1", "node2"])
    made = {str(path.relative_to(tree)) for path in tree.glob("*/fabula/x/*") if path.is_dir()}
    assert made == {
        "unified/fabula/x/node1",
        "unified/fabula/x/node2",
        "unified/fabula/x/system",
        "cpuset/fabula/x/node1",
        "cpuset/fabula/x/node2",
    }
    assert cgroups.system_procs("fabula/x") == tree / "unified/fabula/x/system/cgroup.procs"


def test_an_empty_cpuset_takes_over_what_is_above(tree: Path) -> None:
    (tree / "cpuset/cpuset.cpus").write_text("0-1\n")
    (tree / "cpuset/fabula").mkdir()
    (tree / "cpuset/fabula/cpuset.cpus").write_text("\n")
    cgroups.create("fabula/x", ["node1"])
    assert (tree / "cpuset/fabula/cpuset.cpus").read_text() == "0-1\n"


def test_creating_again_changes_nothing(tree: Path) -> None:
    cgroups.create("fabula/x", ["node1"])
    cgroups.create("fabula/x", ["node1"])
    assert len(cgroups.left("fabula/x")) == 2


def test_removing_takes_the_shared_parent_only_when_it_is_empty(tree: Path) -> None:
    cgroups.create("fabula/x", ["node1"])
    cgroups.create("fabula/y", ["node1"])
    cgroups.remove("fabula/x")
    assert cgroups.left("fabula/x") == []
    assert len(cgroups.left("fabula/y")) == 2
    cgroups.remove("fabula/y")
    assert not (tree / "cpuset/fabula").exists()


def test_processes_of_any_depth_are_killed(tree: Path) -> None:
    cgroups.create("fabula/x", ["node1"])
    deep = tree / "cpuset/fabula/x/node1/kubepods/pod1"
    deep.mkdir(parents=True)
    with subprocess.Popen(["sleep", "300"]) as child:
        procs = deep / "cgroup.procs"
        procs.write_text(f"{child.pid}\n")
        assert cgroups.processes("fabula/x") == {child.pid}
        assert cgroups.processes("fabula/y") == set()
        # The kernel empties the file when the process is gone; here its reader does.
        procs_of = cgroups.processes

        def processes(group: str) -> set[int]:
            if child.poll() is not None:
                procs.write_text("")
            return procs_of(group)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cgroups, "processes", processes)
            cgroups.kill("fabula/x")
        assert child.returncode == -9


def test_no_hierarchy_is_said_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "hierarchies", list)
    with pytest.raises(ClusterError, match="mount cgroup2"):
        cgroups.create("fabula/x", ["node1"])
