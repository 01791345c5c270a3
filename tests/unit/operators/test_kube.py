"""What goes over the wire to the API server, and what comes of each kind of answer."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import Configuration

from controllers.plan import Object, Ref
from operators.access import Access
from operators.errors import (
    AlreadyExistsError,
    ApiError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    NotLeaderError,
    UnavailableError,
)
from operators.kube import Kube
from operators.metrics import Metrics
from tests.unit.operators.fakes import half

REF = Ref("apps/v1", "Deployment", "play", "sage")
OBJ: Object = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "sage", "namespace": "play"},
}
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class ApiServer:
    """Answers from a list, and keeps what it was asked."""

    answers: list[Answer] = field(default_factory=list)
    asked: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.text()
        query = {key: value for key, value in request.query.items() if key != "timeout"}
        parsed = json.loads(body) if body else None
        self.asked.append((request.method, request.path, query, parsed))
        self.headers.append(dict(request.headers))
        return await self.answers.pop(0)(request)


def says(body: object, status: int = 200, **headers: str) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        return web.json_response(body, status=status, headers=named)

    return answer


def refuses(status: int, reason: str = "", message: str = "no", **details: int) -> Answer:
    body = {"kind": "Status", "reason": reason, "message": message, "details": details}
    return says(body, status)


async def hangs(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def breaks(request: web.Request) -> web.StreamResponse:
    assert request.transport
    request.transport.close()
    return web.Response()


async def garbage(_: web.Request) -> web.StreamResponse:
    return web.Response(text="<html>a proxy</html>")


@dataclass
class Setting:
    server: ApiServer
    kube: Kube
    waits: list[float]
    metrics: Metrics


@pytest.fixture
async def setting(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Setting]:
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    server, waits, metrics = ApiServer(), list[float](), Metrics()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async with TestServer(app) as running:
        conf = Configuration(host=str(running.make_url("")))
        conf.api_key["BearerToken"] = "bearer secret-token"
        kube = Kube(Access(conf), metrics, timeout=5, sleep=sleep, rng=half)
        async with kube:
            yield Setting(server, kube, waits, metrics)


async def test_an_object_is_read_by_its_path_and_without_managed_fields(setting: Setting) -> None:
    setting.server.answers = [says({"metadata": {"name": "sage", "managedFields": [1]}})]
    assert await setting.kube.get(REF) == {"metadata": {"name": "sage"}}
    assert setting.server.asked == [
        ("GET", "/apis/apps/v1/namespaces/play/deployments/sage", {}, None)
    ]
    assert setting.server.headers[0]["Authorization"] == "Bearer secret-token"


async def test_what_is_not_there_is_none(setting: Setting) -> None:
    setting.server.answers = [refuses(404, "NotFound")]
    assert await setting.kube.get(Ref("v1", "ConfigMap", "play", "lore")) is None
    assert setting.server.asked[0][1] == "/api/v1/namespaces/play/configmaps/lore"


async def test_lists_come_page_by_page_and_say_what_they_hold(setting: Setting) -> None:
    setting.server.answers = [
        says({"metadata": {"continue": "more"}, "items": [{"metadata": {"name": "a"}}]}),
        says({"metadata": {}, "items": [{"metadata": {"name": "b"}}]}),
    ]
    found = await setting.kube.list_all("v1", "Pod", "play", {"b": "2", "a": "1"})
    assert [(o["apiVersion"], o["kind"], o["metadata"]["name"]) for o in found] == [
        ("v1", "Pod", "a"),
        ("v1", "Pod", "b"),
    ]
    first, second = (asked[2] for asked in setting.server.asked)
    assert first == {"limit": "250", "labelSelector": "a=1,b=2"}
    assert second == {**first, "continue": "more"}


async def test_a_list_whose_continuation_expired_is_begun_again(setting: Setting) -> None:
    page = says({"metadata": {"continue": "old"}, "items": [{"metadata": {}}]})
    setting.server.answers = [page, refuses(410, "Expired"), says({"items": None})]
    assert await setting.kube.list_all("v1", "Pod") == []
    assert setting.server.asked[-1][1:3] == ("/api/v1/pods", {"limit": "250"})


async def test_apply_is_server_side_and_forced(setting: Setting) -> None:
    setting.server.answers = [says(OBJ), says(OBJ)]
    await setting.kube.apply(OBJ)
    await setting.kube.apply(OBJ, subresource="status")
    path = "/apis/apps/v1/namespaces/play/deployments/sage"
    query = {"fieldManager": "fabula", "force": "true"}
    assert setting.server.asked == [
        ("PATCH", path, query, OBJ),
        ("PATCH", f"{path}/status", query, OBJ),
    ]
    assert setting.server.headers[0]["Content-Type"] == "application/apply-patch+yaml"


async def test_a_deletion_is_bound_to_the_uid(setting: Setting) -> None:
    setting.server.answers = [says({})]
    await setting.kube.delete(REF, "uid-1")
    body = setting.server.asked[0][3]
    assert body["preconditions"] == {"uid": "uid-1"}
    assert body["propagationPolicy"] == "Background"


async def test_other_writes(setting: Setting) -> None:
    setting.server.answers = [says(OBJ), says(OBJ), says(OBJ)]
    await setting.kube.create(OBJ)
    await setting.kube.replace(OBJ)
    await setting.kube.merge_patch(REF, {"count": 2})
    collection = "/apis/apps/v1/namespaces/play/deployments"
    assert [asked[:2] for asked in setting.server.asked] == [
        ("POST", collection),
        ("PUT", f"{collection}/sage"),
        ("PATCH", f"{collection}/sage"),
    ]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (refuses(400), InvalidError),
        (refuses(403), ForbiddenError),
        (refuses(404), NotFoundError),
        (refuses(409, "Conflict"), ConflictError),
        (refuses(409, "AlreadyExists"), AlreadyExistsError),
        (refuses(422, message="spec.x: wrong"), InvalidError),
    ],
)
async def test_refusals_have_types_and_are_not_repeated(
    setting: Setting, answer: Answer, expected: type[ApiError]
) -> None:
    setting.server.answers = [answer]
    with pytest.raises(expected, match="cannot apply Deployment play/sage: ") as caught:
        await setting.kube.apply(OBJ)
    assert type(caught.value) is expected
    assert len(setting.server.asked) == 1


@pytest.mark.parametrize("trouble", [refuses(500), refuses(429), refuses(503), breaks, garbage])
async def test_what_may_pass_is_tried_again_with_growing_waits(
    setting: Setting, trouble: Answer
) -> None:
    setting.server.answers = [trouble, trouble, trouble, says(OBJ)]
    assert await setting.kube.apply(OBJ) == OBJ
    assert setting.waits == [pytest.approx(0.15), pytest.approx(0.3), pytest.approx(0.6)]


async def test_trying_again_ends(setting: Setting) -> None:
    setting.server.answers = [refuses(500, message="etcd is away")] * 9
    with pytest.raises(UnavailableError, match="etcd is away"):
        await setting.kube.get(REF)
    assert len(setting.server.asked) == 4


async def test_the_server_s_wish_to_wait_is_respected_up_to_a_cap(setting: Setting) -> None:
    setting.server.answers = [
        refuses(429, retryAfterSeconds=2),
        says({}, 429, Retry_After="2000"),
        says(OBJ),
    ]
    await setting.kube.get(REF)
    assert setting.waits == [2.0, 3.0]


async def test_silence_is_no_answer(setting: Setting) -> None:
    setting.server.answers = [hangs]
    with pytest.raises(UnavailableError, match=r"no answer within 0\.1 s"):
        await setting.kube.replace(OBJ, allowance=lambda: 0.1)


async def test_the_fence_is_asked_before_each_try(setting: Setting) -> None:
    setting.server.answers = [refuses(500)] * 9
    tries = 0

    def allowance() -> float:
        nonlocal tries
        tries += 1
        if tries > 2:
            raise NotLeaderError("not held")
        return 1.0

    with pytest.raises(NotLeaderError):
        await setting.kube.apply(OBJ, allowance=allowance)
    assert len(setting.server.asked) == 2


async def test_kinds_that_are_not_served_are_named(setting: Setting) -> None:
    setting.server.answers = [says({"resources": [{"kind": "World"}]}), refuses(404)]
    wanted = {"fabula.dev/v1alpha1": frozenset({"World", "Storyteller"}), "x/v1": frozenset({"X"})}
    assert await setting.kube.missing_kinds(wanted) == [
        "Storyteller (fabula.dev/v1alpha1)",
        "X (x/v1)",
    ]


async def test_requests_are_counted_by_outcome(setting: Setting) -> None:
    setting.server.answers = [refuses(500), says(OBJ)]
    await setting.kube.get(REF)
    for code in ("500", "200"):
        labels = {"verb": "get", "kind": "Deployment", "code": code}
        name = "fabula_api_requests_total"
        assert setting.metrics.registry.get_sample_value(name, labels) == 1


async def test_an_error_never_shows_the_token(setting: Setting) -> None:
    setting.server.answers = [refuses(401, message="Unauthorized")] * 3
    with pytest.raises(ForbiddenError, match="Unauthorized") as caught:
        await setting.kube.get(REF)
    assert "secret-token" not in str(caught.value)
