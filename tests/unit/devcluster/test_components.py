import json
import tomllib

import pytest
import yaml

from devcluster import addons, controlplane, files, node, pki
from devcluster.kubeapi import Api
from devcluster.layout import Layout
from devcluster.versions import PAUSE_IMAGE


@pytest.fixture
def api(layout: Layout) -> Api:
    return Api(layout.port, layout.pki)


def _flags(argv: list[str]) -> dict[str, str]:
    return dict(flag.partition("=")[::2] for flag in argv[1:])


def test_the_api_server_enforces_roles_and_node_restriction(layout: Layout, api: Api) -> None:
    flags = _flags(controlplane.apiserver(layout, api).argv)
    assert flags["--authorization-mode"] == "Node,RBAC"
    assert flags["--enable-admission-plugins"] == "NodeRestriction"
    assert flags["--secure-port"] == str(layout.port)


def test_the_audit_log_can_be_left_out(layout: Layout, api: Api) -> None:
    with_log = _flags(controlplane.apiserver(layout, api).argv)
    assert with_log["--audit-log-path"] == str(layout.audit_log)
    without = Layout(layout.name, layout.slot, audit=False)
    assert not any(flag.startswith("--audit") for flag in controlplane.apiserver(without, api).argv)


def test_every_write_is_audited_whoever_makes_it() -> None:
    rules = [rule for rule in controlplane.AUDIT_POLICY["rules"] if isinstance(rule, dict)]
    for rule in rules[:-1]:
        reads_only = set(rule.get("verbs", [])) == {"get", "list", "watch"}
        assert rule["level"] == "None"
        assert reads_only or "nonResourceURLs" in rule
    assert rules[-1] == {"level": "Metadata"}


def test_writing_the_files_twice_changes_none(layout: Layout) -> None:
    pki.create(layout)

    def written() -> dict[str, int]:
        controlplane.write_files(layout)
        node.write_files(layout, layout.node(1))
        return {
            str(path): path.stat().st_mtime_ns for path in layout.state.rglob("*") if path.is_file()
        }

    assert written() == written()


def test_a_file_is_replaced_as_a_whole(layout: Layout) -> None:
    path = layout.state / "x"
    files.write(path, "old")
    reader = path.open()
    files.write(path, "new", mode=0o600)
    with reader:
        assert reader.read() == "old"
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600


def test_kubelets_keep_to_their_own_address_and_group(layout: Layout) -> None:
    configs = [node.kubelet_config(layout, each) for each in layout.all_nodes()]
    assert [config["address"] for config in configs] == ["10.131.0.1", "10.131.0.2"]
    assert [config["cgroupRoot"] for config in configs] == [
        "/fabula/story/node1",
        "/fabula/story/node2",
    ]


@pytest.mark.parametrize(("capable", "restricted"), [(True, False), (False, True)])
def test_the_runtime_lowers_no_score_where_it_may_not(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, capable: bool, restricted: bool
) -> None:
    monkeypatch.setattr(node, "has_capability", lambda number: capable)
    config = tomllib.loads(node.containerd_config(layout.node(1)))
    runtime = config["plugins"]["io.containerd.cri.v1.runtime"]
    assert runtime["restrict_oom_score_adj"] is restricted
    images = config["plugins"]["io.containerd.cri.v1.images"]
    assert images["pinned_images"]["sandbox"] == PAUSE_IMAGE


def test_pods_of_two_nodes_get_addresses_of_two_ranges(layout: Layout) -> None:
    subnets = [str(node.cni_config(each)) for each in layout.all_nodes()]
    assert "10.131.1.0/24" in subnets[0]
    assert "10.131.2.0/24" in subnets[1]


def test_addons_are_applied_where_their_name_says(layout: Layout) -> None:
    for path, content in addons.objects(layout):
        assert path.rpartition("/")[2] == content["metadata"]["name"]
        assert {"apiVersion", "kind", "metadata"} <= content.keys()


def test_addons_run_under_the_rules_that_they_are_there_to_serve(layout: Layout) -> None:
    deployments = [
        content for _, content in addons.objects(layout) if content["kind"] == "Deployment"
    ]
    assert {each["metadata"]["name"] for each in deployments} == set(addons.DEPLOYMENTS)
    for each in deployments:
        (container,) = each["spec"]["template"]["spec"]["containers"]
        assert container["securityContext"]["runAsNonRoot"] is True
        assert container["imagePullPolicy"] == "IfNotPresent"


def test_names_and_volumes_are_where_pods_look_for_them(layout: Layout) -> None:
    by_kind = {content["kind"]: content for _, content in addons.objects(layout)}
    assert by_kind["Service"]["spec"]["clusterIP"] == str(layout.dns_service)
    annotations = by_kind["StorageClass"]["metadata"]["annotations"]
    assert annotations["storageclass.kubernetes.io/is-default-class"] == "true"


def test_the_provisioner_may_create_and_delete_volumes(layout: Layout) -> None:
    roles = {
        content["metadata"]["name"]: content["rules"]
        for _, content in addons.objects(layout)
        if content["kind"] == "ClusterRole"
    }
    rules = roles["devcluster:local-path-provisioner"]
    verbs = {resource: rule["verbs"] for rule in rules for resource in rule["resources"]}
    assert {"create", "delete"} <= set(verbs["persistentvolumes"])
    assert "secrets" not in json.dumps(roles)


def test_the_proxy_follows_endpoints_quickly(layout: Layout) -> None:
    text = yaml.safe_dump(controlplane.proxy_config(layout))
    assert "mode: nftables" in text
    assert "minSyncPeriod: 100ms" in text
