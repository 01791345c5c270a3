"""The edges of the API: idempotency, limits, errors that say what to do, the document."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.unit.runtime.stubs.engine import Stub
from tests.unit.runtime.stubs.gateway import House, house, serving
from tests.unit.runtime.stubs.waiting import eventually

OPTIONS = ["yes", "no"]
ASK = {"question": "Does it rain?", "options": OPTIONS}


def assert_problem(answer: httpx.Response, status: int, name: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert (body["type"], body["status"]) == (f"urn:fabula:problem:{name}", status)
    return body


async def test_the_same_key_gives_the_same_decision(home: House) -> None:
    url = f"/v1/sessions/{await home.session()}/decisions"
    headers = {"idempotency-key": "turn-1"}
    first, second = await asyncio.gather(
        *(home.client.post(url, json=ASK, headers=headers) for _ in range(2))
    )
    later = await home.client.post(url, json=ASK, headers=headers)
    assert first.json() == second.json() == later.json()
    assert len(home.gateway.decisions) == 1
    other = await home.client.post(url, json={**ASK, "question": "Snow?"}, headers=headers)
    assert "new key" in assert_problem(other, 409, "idempotency-key-reused")["detail"]


async def test_the_same_key_in_another_session_is_another_decision(home: House) -> None:
    for session in (await home.session(), await home.session()):
        await home.client.post(
            f"/v1/sessions/{session}/decisions", json=ASK, headers={"idempotency-key": "1"}
        )
    assert len(home.gateway.decisions) == 2


async def test_what_is_unknown_is_not_found(home: House) -> None:
    for method, path, name in [
        ("POST", "/v1/sessions/s-none/decisions", "unknown-session"),
        ("GET", "/v1/sessions/s-none", "unknown-session"),
        ("GET", "/v1/decisions?session=s-none", "unknown-session"),
        ("GET", "/v1/decisions/d-0-00000000", "unknown-decision"),
        ("GET", "/v1/decisions/nonsense", "unknown-decision"),
        ("GET", "/v1/nothing", "not-found"),
    ]:
        body = ASK if method == "POST" else None
        assert_problem(await home.client.request(method, path, json=body), 404, name)


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({}, "body.question", "required"),
        ({"question": "   "}, "body.question", "at least 1 character"),
        ({"question": "x" * 2001}, "body.question", "at most 2000"),
        ({**ASK, "options": ["one"]}, "body.options", "at least 2"),
        ({**ASK, "options": [str(n) for n in range(21)]}, "body.options", "at most 20"),
        ({**ASK, "options": ["Yes!", "yes"]}, "body.options", "must differ"),
        ({**ASK, "options": ["", "yes"]}, "body.options.0", "at least 1"),
        ({**ASK, "colour": "red"}, "body.colour", "not permitted"),
        ({**ASK, "context": {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": 1}}}}}}}}}},
         "body.context", "levels deep"),
        ({**ASK, "context": {"name": "\ud800"}}, "body.context", "Unicode"),
    ],
)  # fmt: skip
async def test_what_is_not_valid_is_named(
    home: House, body: dict[str, Any], field: str, said: str
) -> None:
    url = f"/v1/sessions/{await home.session()}/decisions"
    content = json.dumps(body).encode()
    answer = await home.client.post(
        url, content=content, headers={"content-type": "application/json"}
    )
    fault = assert_problem(answer, 422, "invalid-request")["errors"][0]
    assert fault["field"].startswith(field)
    assert said in fault["message"]


@pytest.mark.parametrize("body", [b"{", b"[" * 60_000, b'"words"', b"\xff\xfe", b"null"])
async def test_what_is_no_request_at_all_is_refused(home: House, body: bytes) -> None:
    url = f"/v1/sessions/{await home.session()}/decisions"
    answer = await home.client.post(url, content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_body_that_is_too_long_is_refused(home: House) -> None:
    body = json.dumps({"context": "x" * 70_000})
    answer = await home.client.post(
        "/v1/sessions", content=body, headers={"content-type": "application/json"}
    )
    assert "65536 bytes" in assert_problem(answer, 413, "request-entity-too-large")["detail"]


async def test_beyond_its_bounds_the_gateway_says_come_again(tmp_path: Path) -> None:
    stub = Stub(behaviour="slow", answer="yes")
    async with house(tmp_path, stub, max_decisions=1, max_waiting=0) as home:
        first = asyncio.create_task(home.decide(await home.session(), **ASK))
        await eventually(lambda: stub.asked)
        session = await home.session()
        refused = await home.client.post(f"/v1/sessions/{session}/decisions", json=ASK)
        assert_problem(refused, 503, "overloaded")
        assert int(refused.headers["retry-after"]) > 0
        stub.release.set()
        assert (await first)["decision"] == "yes"


async def test_without_configuration_it_is_alive_and_not_ready(tmp_path: Path) -> None:
    async with serving(tmp_path) as (client, _):
        assert (await client.get("/livez")).status_code == 200
        assert (await client.get("/readyz")).status_code == 503
        for path in ("/v1/sessions", "/v1/sessions/s-1/decisions"):
            answer = await client.post(path, json=ASK if "decisions" in path else {})
            assert_problem(answer, 503, "not-configured")


async def test_metrics_count_what_happened(home: House) -> None:
    home.stubs[0].behaviour = "error"
    session = await home.session()
    for stub in home.stubs:
        stub.answer = "yes"
    await home.decide(session, **ASK)
    await home.client.get("/v1/sessions/none")
    text = (await home.client.get("/metrics")).text
    for line in [
        'fabula_gateway_decisions_total{outcome="Vote"} 1.0',
        'fabula_gateway_member_failures_total{kind="Status",member="chronicler"} 1.0',
        'fabula_gateway_member_seconds_count{member="oracle"} 1.0',
        'fabula_gateway_refused_total{status="404"} 1.0',
        "fabula_gateway_log_records 1.0",
        "fabula_gateway_decisions_in_flight 0.0",
    ]:
        assert line in text


async def test_every_operation_is_documented_with_an_example(home: House) -> None:
    document = (await home.client.get("/openapi.json")).json()
    assert "Problem" in document["components"]["schemas"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], path
            assert operation["description"], path
            code, good = next(iter(operation["responses"].items()))
            contents = good.get("content", {}).values()
            assert contents or code == "204", path
            assert all("example" in content for content in contents), path
            if method == "post":
                assert operation["requestBody"]["content"]["application/json"]["examples"]
            openai = operation["tags"] == ["openai"]
            for status, response in operation["responses"].items():
                if status[0] in "45" and path.startswith("/v1"):
                    form = "application/json" if openai else "application/problem+json"
                    assert list(response["content"]) == [form]


async def test_the_examples_in_the_document_work(home: House) -> None:
    document = (await home.client.get("/openapi.json")).json()

    def examples(path: str) -> list[Any]:
        body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        return [example["value"] for example in body["examples"].values()]

    home.stubs[0].answer = "He lets Mara pass"
    for begin in examples("/v1/sessions"):
        session = await home.session(**begin)
        for ask in examples("/v1/sessions/{session}/decisions"):
            assert (await home.decide(session, **ask))["outcome"] in ("Vote", "BestMember")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/v1/sessions", "GET, POST"), ("/v1/sessions/s-1", "DELETE, GET"), ("/livez", "GET")],
)
async def test_a_method_that_is_not_there_is_answered_with_those_that_are(
    home: House, path: str, allowed: str
) -> None:
    refused = await home.client.put(path)
    assert_problem(refused, 405, "method-not-allowed")
    assert refused.headers["allow"] == allowed
