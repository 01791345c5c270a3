"""Who may write a status: the operator all of it, everybody else only `status.request`."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.api.examples import BASES, STORYTELLER, Object, changed
from tests.api.server import Answer, Server, plural

OPERATOR = "system:serviceaccount:fabula-system:fabula-operator"
REQUEST = {"action": "Reconcile", "id": "monday"}
CONDITION = {
    "type": "Ready",
    "status": "False",
    "reason": "Waiting",
    "message": "waits",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
    "observedGeneration": 1,
}
STATUS = {"observedGeneration": 1, "conditions": [CONDITION]}
SECONDS = 60

Write = Callable[..., Answer]


@pytest.fixture(scope="module", params=BASES.values(), ids=lambda b: b["kind"])
def thing(request: pytest.FixtureRequest, server: Server) -> Object:
    """An object with a status that the operator wrote."""
    made = changed(request.param, "metadata.name", "guarded")
    server.create(made)
    operator = server.acting_as(OPERATOR, "system:serviceaccounts")
    answer = patch(operator, made, STATUS)
    assert answer.accepted, answer.message
    _await_policy(server, made)
    return made


@pytest.fixture(scope="module")
def admin(server: Server) -> Server:
    return server.acting_as("root", "system:masters")


@pytest.fixture(scope="module")
def editor(server: Server) -> Server:
    """Somebody who may edit worlds in this namespace, by the role that the chart brings."""
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{server.namespace}/rolebindings"
    binding = {
        "metadata": {"name": "editors"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "fabula-edit",
        },
        "subjects": [
            {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "game-designer"}
        ],
    }
    answer = server.call("POST", rbac, binding)
    assert answer.accepted, answer.message
    return server.acting_as("game-designer", "system:authenticated")


def patch(server: Server, thing: Object, status: Any, *, dry_run: bool = False) -> Answer:
    path = server.path(plural(thing), thing["metadata"]["name"], "status")
    query = {"dryRun": "All"} if dry_run else {}
    return server.call("PATCH", path, {"status": status}, fieldValidation="Strict", **query)


def _await_policy(server: Server, thing: Object) -> None:
    """A policy binds a moment after it is made."""
    until = time.monotonic() + SECONDS
    while patch(server, thing, {"observedGeneration": 99}, dry_run=True).accepted:
        assert time.monotonic() < until, "the status policy does not bind"
        time.sleep(0.1)


def test_a_person_may_ask(editor: Server, thing: Object) -> None:
    asked = patch(editor, thing, {"request": REQUEST})
    assert asked.accepted, asked.message
    assert asked.body["status"] == STATUS | {"request": REQUEST}
    again = patch(editor, thing, {"request": REQUEST | {"id": "tuesday"}})
    assert again.accepted, again.message
    taken_back = patch(editor, thing, {"request": None})
    assert taken_back.accepted, taken_back.message
    assert taken_back.body["status"] == STATUS


BAD_STATUS = [
    pytest.param({"observedGeneration": 2}, id="another generation"),
    pytest.param({"observedGeneration": None}, id="a field removed"),
    pytest.param({"conditions": []}, id="no conditions"),
    pytest.param({"conditions": [CONDITION | {"status": "True"}]}, id="ready by decree"),
    pytest.param({"lastRequest": None, "conditions": None}, id="conditions removed"),
    pytest.param(
        {
            "lastRequest": {
                "action": "Reconcile",
                "id": "x",
                "outcome": "Done",
                "message": "m",
                "at": "2026-01-01T00:00:00Z",
            }
        },
        id="a field added",
    ),
    pytest.param(None, id="the whole status removed"),
    pytest.param({"request": REQUEST, "observedGeneration": 7}, id="more than the request"),
]


@pytest.mark.parametrize("status", BAD_STATUS)
@pytest.mark.parametrize("who", ["editor", "admin"])
def test_nobody_else_writes_the_rest(
    request: pytest.FixtureRequest, who: str, thing: Object, status: Any
) -> None:
    someone: Server = request.getfixturevalue(who)
    answer = patch(someone, thing, status, dry_run=True)
    assert answer.status == 403
    assert "only the operator writes a status" in answer.message
    assert "--subresource=status" in answer.message


def test_replacing_an_object_is_no_way_around(admin: Server, thing: Object) -> None:
    path = admin.path(plural(thing), thing["metadata"]["name"])
    live = admin.call("GET", path).body
    replaced = admin.call("PUT", f"{path}/status", live | {"status": {}}, dryRun="All")
    assert replaced.status == 403
    ignored = admin.call("PUT", path, live | {"status": {"observedGeneration": 7}}, dryRun="All")
    assert ignored.body["status"] == STATUS


def test_server_side_apply_is_no_way_around(admin: Server, thing: Object) -> None:
    path = admin.path(plural(thing), thing["metadata"]["name"], "status")
    body = {key: thing[key] for key in ("apiVersion", "kind", "metadata")}
    refused = admin.call(
        "APPLY", path, body | {"status": {"observedGeneration": 7}}, fieldManager="x", force="true"
    )
    assert refused.status == 403
    taken = admin.call("APPLY", path, body | {"status": {"request": REQUEST}}, fieldManager="x")
    assert taken.accepted, taken.message


def test_a_status_that_is_not_there_yet_can_be_asked_too(editor: Server, server: Server) -> None:
    fresh = changed(STORYTELLER, "metadata.name", "fresh")
    server.create(fresh)
    refused = patch(editor, fresh, {"replicas": 3})
    assert refused.status == 403
    asked = patch(editor, fresh, {"request": REQUEST})
    assert asked.accepted, asked.message
    assert asked.body["status"] == {"request": REQUEST}


@pytest.mark.parametrize("base", BASES.values(), ids=lambda base: base["kind"])
def test_a_status_that_comes_with_a_new_object_is_dropped(server: Server, base: Object) -> None:
    answer = server.check(base | {"status": {"observedGeneration": 7}})
    assert "status" not in answer.body


def test_a_request_must_be_one_that_the_operator_knows(editor: Server, thing: Object) -> None:
    answer = patch(editor, thing, {"request": {"action": "Explode", "id": "1"}})
    assert answer.status == 422
    assert 'status.request.action: Unsupported value: "Explode"' in answer.message


@pytest.mark.parametrize(
    ("action", "kinds"),
    [
        ("Abort", {"ModelEnsemble", "EvolutionExperiment"}),
        ("Promote", {"ModelEnsemble"}),
        ("Approve", {"EvolutionExperiment"}),
    ],
)
def test_what_goes_by_steps_is_steered_where_there_can_be_one(
    editor: Server, thing: Object, action: str, kinds: set[str]
) -> None:
    answer = patch(editor, thing, {"request": {"action": action, "id": "1"}}, dry_run=True)
    assert answer.accepted == (thing["kind"] in kinds), answer.message


def test_the_status_of_ours_is_closed(server: Server, thing: Object) -> None:
    operator = server.acting_as(OPERATOR, "system:serviceaccounts")
    answer = patch(operator, thing, {"mood": "good"}, dry_run=True)
    assert 'unknown field "status.mood"' in answer.message


def test_a_spec_is_not_the_policys_business(editor: Server, thing: Object) -> None:
    path = editor.path(plural(thing), thing["metadata"]["name"])
    answer = editor.call("PATCH", path, {"metadata": {"labels": {"team": "a"}}}, dryRun="All")
    assert answer.accepted, answer.message
