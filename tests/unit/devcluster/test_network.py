import subprocess
from pathlib import Path

import pytest

from devcluster import build, network
from devcluster.layout import Layout


def test_commands_enter_the_network_and_nodes_also_their_files(layout: Layout) -> None:
    assert network.enter(layout) == ["nsenter", f"--net={layout.run}/net", "--"]
    node = layout.node(2)
    assert f"--mount={layout.run}/node2.mnt" in network.enter_node(layout, node)


def test_every_node_has_its_address_on_the_bridge(layout: Layout) -> None:
    script = network.network_script(layout)
    for node in layout.all_nodes():
        assert f"ip addr replace {node.address}/24" in script
    assert f"default via {layout.node(1).address}" in script


def test_a_node_keeps_sight_of_the_cluster_and_the_programs_only(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "_OWN_DIRECTORIES", (str(tmp_path), "/opt"))
    lines = network.mount_script(layout, layout.node(1)).splitlines()
    root = layout.node(1).state / "root"
    for kept in (layout.state, layout.run, build.cache_root()):
        inner = f"{root}{tmp_path}/{kept.relative_to(tmp_path)}"
        assert f"mount --rbind '{kept}' '{inner}'" in lines
    assert f"mount --rbind '{root}/opt' /opt" in lines
    assert lines.index("mount --make-rprivate /") < lines.index("mount --make-rshared /")


@pytest.mark.parametrize("script", [network.network_script, network.mount_script])
def test_the_scripts_are_ones_that_a_shell_understands(script: object, layout: Layout) -> None:
    text = (
        network.network_script(layout)
        if script is network.network_script
        else network.mount_script(layout, layout.node(1))
    )
    subprocess.run(["sh", "-n", "-c", text], check=True, timeout=10)


def test_mounts_are_undone_in_the_opposite_order(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = [str(layout.run), f"{layout.run}/net", "/elsewhere", f"{layout.run}/node1.mnt"]
    undone: list[str] = []
    monkeypatch.setattr(network, "_mount_points", lambda: points)
    monkeypatch.setattr(network, "_run", lambda *argv: undone.append(argv[-1]))
    network.remove(layout)
    assert undone == [f"{layout.run}/node1.mnt", f"{layout.run}/net", str(layout.run)]
