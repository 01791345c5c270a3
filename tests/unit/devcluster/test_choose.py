import shutil
from pathlib import Path

import pytest

import devcluster
from devcluster import ClusterError, choose, kindcluster, native, preflight, privileges
from devcluster.existing import ExistingCluster
from devcluster.kindcluster import KindCluster
from devcluster.layout import Layout, state_of
from devcluster.native import NativeCluster


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "given"
    path.write_text("apiVersion: v1")
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.setattr(shutil, "which", lambda tool: f"/usr/bin/{tool}")
    return path


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is said while kind and native clusters start without anything being started."""
    monkeypatch.setattr(preflight, "check", lambda progress, install: None)
    monkeypatch.setattr(
        kindcluster,
        "up",
        lambda name, nodes, progress: KindCluster(name, Path("kind"), "kind"),
    )
    monkeypatch.setattr(
        native,
        "up",
        lambda name, nodes, progress, audit: NativeCluster(
            name, Path("native"), "native", layout=Layout(name, 0)
        ),
    )
    return []


def test_a_given_kubeconfig_is_used_as_it_is(given: Path, said: list[str]) -> None:
    cluster = devcluster.up("x", say=said.append)
    assert (cluster.kind, cluster.kubeconfig) == ("existing", given)
    assert cluster.argv("kubectl") == ["kubectl"]
    assert cluster.env["KUBECONFIG"] == str(given)
    assert str(given) in said[0]


def test_a_given_cluster_is_never_removed(given: Path, said: list[str]) -> None:
    devcluster.down("x", say=said.append)
    assert "left alone" in said[0]


def test_an_image_for_a_given_cluster_goes_through_a_registry(given: Path) -> None:
    with pytest.raises(ClusterError, match="registry"):
        ExistingCluster("x", given, "existing").load_image(Path("image.tar"))


def test_a_given_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nowhere/config")
    with pytest.raises(ClusterError, match="KUBECONFIG=/nowhere/config"):
        devcluster.find("x")


def test_the_kubeconfig_of_a_cluster_made_here_is_not_a_given_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(state_of("x") / "kubeconfig"))
    assert choose.given_kubeconfig() is None


def test_kind_is_used_where_it_can_run(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    monkeypatch.setattr(kindcluster, "unusable", lambda: None)
    assert devcluster.up("x", say=said.append).kind == "kind"


def test_else_one_line_says_why_it_is_a_native_one(
    monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setattr(kindcluster, "unusable", lambda: "no Docker engine answers")
    assert devcluster.up("x", say=said.append).kind == "native"
    assert said[0].strip() == "· no Docker engine answers: starting a native cluster"


@pytest.mark.parametrize(
    ("docker", "answers", "capable", "reason"),
    [
        (False, False, True, "there is no Docker"),
        (True, False, True, "no Docker engine answers"),
        (True, True, False, "CAP_SYS_RESOURCE"),
        (True, True, True, None),
    ],
)
def test_kind_needs_an_engine_that_may_run_privileged_containers(
    monkeypatch: pytest.MonkeyPatch,
    docker: bool,
    answers: bool,
    capable: bool,
    reason: str | None,
) -> None:
    def call(*arguments: str) -> str:
        if not answers:
            raise ClusterError("cannot connect")
        return "29.0"

    monkeypatch.setattr(shutil, "which", lambda name: name if docker else None)
    monkeypatch.setattr(kindcluster, "_docker", call)
    monkeypatch.setattr(privileges, "is_root", lambda: True)
    monkeypatch.setattr(privileges, "has_capability", lambda number: capable)
    found = kindcluster.unusable()
    assert (reason is None and found is None) or (reason or "?") in (found or "")


def test_kind_is_told_the_nodes_the_name_and_where_to_write() -> None:
    roles = kindcluster.configuration(3)["nodes"]
    assert roles == [{"role": "control-plane"}, {"role": "worker"}, {"role": "worker"}]
    argv = kindcluster.create_argv("x", Path("/k/config"), Path("/k/kind.json"))
    assert argv[:4] == ["create", "cluster", "--name=x", "--kubeconfig=/k/config"]
    assert kindcluster.load_argv("x", Path("a.tar")) == [
        "load",
        "image-archive",
        "a.tar",
        "--name=x",
    ]


def test_a_native_cluster_puts_its_tools_first_and_its_network_before(layout: Layout) -> None:
    cluster = NativeCluster("story", layout.kubeconfig, "native", layout=layout)
    assert cluster.env["PATH"].startswith(f"{layout.bin}:")
    assert cluster.argv("kubectl", "get", "pods")[-3:] == ["kubectl", "get", "pods"]
    assert cluster.argv("true")[0] == "nsenter"


def test_the_log_of_an_unknown_component_lists_the_known(layout: Layout) -> None:
    layout.logs.mkdir()
    (layout.logs / "etcd.log").write_text("")
    cluster = NativeCluster("story", layout.kubeconfig, "native", layout=layout)
    assert cluster.logs("etcd") == layout.logs / "etcd.log"
    with pytest.raises(ClusterError, match="there are: etcd"):
        cluster.logs("kubelet")


def test_another_users_cluster_of_that_name_is_not_taken_down(layout: Layout) -> None:
    layout.owner.write_text("/home/other/.local/state/fabula/clusters/story")
    with pytest.raises(ClusterError, match="another --name"):
        devcluster.down("story")
