import json
from typing import Any

import pytest

from devcluster import addons, node
from devcluster.errors import ClusterError, UnreachableError
from devcluster.kubeapi import Api
from devcluster.layout import Layout


class FakeApi(Api):
    """Answers from a table of paths; what it lacks is not found, `down` makes it refuse."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout.port, layout.pki)
        self.answers: dict[str, tuple[int, Any]] = {}
        self.down = False

    def _call(self, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
        if self.down:
            raise UnreachableError("connection refused")
        status, content = self.answers.get(path, (404, {}))
        return status, json.dumps(content).encode()


@pytest.fixture
def api(layout: Layout) -> FakeApi:
    return FakeApi(layout)


def test_a_server_that_does_not_answer_is_not_ready(api: FakeApi) -> None:
    api.answers["/readyz"] = (200, "ok")
    assert api.ready()
    api.answers["/readyz"] = (500, "not yet")
    assert not api.ready()
    api.down = True
    assert not api.ready()


def test_nobody_listening_is_unreachable(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Api, "_tls", None)
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:1"):
        Api(1, layout.pki).get("/version")


def test_a_refusal_names_the_path_and_the_servers_words(api: FakeApi) -> None:
    api.answers["/x?fieldManager=devcluster&force=true"] = (403, {"message": "forbidden"})
    with pytest.raises(ClusterError, match=r"PATCH /x: 403 .*forbidden"):
        api.apply("/x", {})


def test_a_node_is_ready_when_its_kubelet_says_so(api: FakeApi, layout: Layout) -> None:
    path = "/api/v1/nodes/node1"
    assert not node.is_ready(api, layout.node(1))
    for status, expected in (("Unknown", False), ("True", True)):
        conditions = [{"type": "Ready", "status": status}]
        api.answers[path] = (200, {"status": {"conditions": conditions}})
        assert node.is_ready(api, layout.node(1)) is expected


def test_addons_are_ready_when_each_has_a_pod_that_serves(api: FakeApi) -> None:
    for name in addons.DEPLOYMENTS:
        assert not addons.are_ready(api)
        path = f"/apis/apps/v1/namespaces/kube-system/deployments/{name}"
        api.answers[path] = (200, {"status": {"availableReplicas": 1}})
    assert addons.are_ready(api)
