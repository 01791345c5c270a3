import itertools

import pytest

from devcluster.errors import ClusterError
from devcluster.layout import MAX_NODES, MAX_SLOTS, Layout, check_name


@pytest.mark.parametrize("name", ["fabula", "a", "fabula-test", "x2", "a" * 20])
def test_a_name_that_fits_everywhere_is_accepted(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "A", "2x", "a_b", "a/b", "..", "a-", "a" * 21, "é"])
def test_any_other_name_is_refused_with_a_remedy(name: str) -> None:
    with pytest.raises(ClusterError, match="--name fabula"):
        check_name(name)


def test_clusters_side_by_side_share_no_network_and_no_port() -> None:
    layouts = [Layout("x", slot) for slot in range(MAX_SLOTS)]
    assert len({layout.port for layout in layouts}) == MAX_SLOTS
    for one, other in itertools.pairwise(layouts):
        assert not one.network.overlaps(other.network)


def test_addresses_of_nodes_pods_and_services_do_not_overlap() -> None:
    layout = Layout("x", 5, nodes=MAX_NODES)
    nodes = layout.all_nodes()
    assert len({node.address for node in nodes}) == MAX_NODES
    for node in nodes:
        assert node.pods.subnet_of(layout.pods)
        assert not any(other.address in node.pods for other in nodes)
    assert not layout.pods.overlaps(layout.services)
    assert layout.kubernetes_service in layout.services
    assert layout.dns_service in layout.services


def test_sockets_stay_within_what_the_kernel_takes() -> None:
    longest = Layout("n" * 20, 0, nodes=MAX_NODES).node(MAX_NODES)
    assert len(f"{longest.containerd_socket}.ttrpc") < 108
