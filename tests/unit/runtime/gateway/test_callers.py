"""Who may call, from where, and how often."""

import json
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from runtime.gateway.peers import HEADER as PEER
from runtime.limits.keys import digest, new_key
from runtime.limits.visits import Visit
from tests.unit.runtime.gateway.interfaces.test_api import ASK, assert_problem
from tests.unit.runtime.stubs.engine import Stub
from tests.unit.runtime.stubs.gateway import House, house, write_config
from tests.unit.runtime.stubs.waiting import eventually

ORIGIN = "https://play.example.com"


async def configure(home: House, **changes: Any) -> None:
    """Give the gateway another configuration and wait until it follows it."""
    generation = (
        home.gateway.following.config.generation if home.gateway.following.config else 0
    ) + 1
    write_config(home.folder, generation=generation, **changes)
    await eventually(
        lambda: (
            home.gateway.following.config and home.gateway.following.config.generation == generation
        )
    )


def keep(home: House, name: str, *scopes: str, **more: object) -> dict[str, str]:
    """A key in the Secret; the headers to call with."""
    key = new_key(name)
    folder = home.folder / "keys"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps({"sha256": digest(key), "scopes": scopes, **more}))
    return {"authorization": f"Bearer {key}"}


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    """One engine, and a gateway that asks for keys."""
    async with house(tmp_path, Stub()) as home:
        yield home


async def closed(home: House, **changes: Any) -> None:
    """From now on keys are asked for."""
    folder = str(home.folder / "keys")
    await configure(home, apiKeysDir=folder, apiKeysSecret="bard-keys", **changes)


async def ask(home: House, headers: dict[str, str], player: str = "Mara") -> httpx.Response:
    begun = await home.client.post("/v1/sessions", json={"player": player}, headers=headers)
    if begun.status_code != 201:
        return begun
    url = f"/v1/sessions/{begun.json()['id']}/decisions"
    return await home.client.post(url, json=ASK, headers=headers)


async def test_without_keys_in_the_spec_anyone_may_call_and_the_report_says_so(
    home: House,
) -> None:
    assert (await ask(home, {})).status_code == 200
    assert "apiKeys" not in (await home.client.get("/v1/status")).json()


async def test_a_key_is_asked_for_and_what_it_may_do(home: House) -> None:
    game, reader = keep(home, "game", "decide"), keep(home, "reader", "read")
    await closed(home)
    for headers in ({}, {"authorization": f"Bearer {new_key('game')}"}, {"x-api-key": "nonsense"}):
        refused = await ask(home, headers)
        assert_problem(refused, 401, "unauthenticated")
        assert refused.headers["www-authenticate"] == 'Bearer realm="fabula"'
    answer = await ask(home, game)
    assert answer.status_code == 200
    refused = await home.client.get(f"/v1/decisions/{answer.json()['id']}", headers=game)
    assert "no scope read" in assert_problem(refused, 403, "scope-missing")["detail"]
    record = await home.client.get(f"/v1/decisions/{answer.json()['id']}", headers=reader)
    assert record.json()["actor"] == "game"
    assert_problem(await ask(home, reader), 403, "scope-missing")
    alike = {"x-api-key": game["authorization"].removeprefix("Bearer ")}
    assert (await ask(home, alike)).status_code == 200


async def test_the_operator_and_prometheus_need_no_key(home: House) -> None:
    await closed(home)
    for path in ("/livez", "/readyz", "/metrics", "/openapi.json"):
        assert (await home.client.get(path)).status_code == 200
    assert (await home.client.get("/v1/status")).json()["apiKeys"] == 0


async def test_items_that_are_no_keys_are_reported_by_name(home: House) -> None:
    keep(home, "game", "decide")
    keep(home, "odd", "shout")
    await closed(home)
    report = (await home.client.get("/v1/status")).json()
    assert report["apiKeys"] == 1
    assert report["keyFaults"] == [
        "'odd' scopes.0: Input should be 'decide', 'read', 'outcome', 'config', 'test' or 'admin'"
    ]


async def test_nothing_tells_a_key(home: House, capfd: pytest.CaptureFixture[str]) -> None:
    game = keep(home, "game", "decide", "read")
    await closed(home)
    answer = await ask(home, game)
    texts = [
        (await home.client.get(path, headers=game)).text
        for path in (f"/v1/decisions/{answer.json()['id']}", "/v1/status", "/metrics")
    ]
    written = capfd.readouterr()
    for text in (*texts, written.out, written.err):
        assert game["authorization"].split("_")[-1] not in text


async def test_a_player_has_a_rate_and_is_told_how_long_to_wait(home: House) -> None:
    await configure(home, limits={"perPlayerPerMinute": 2})
    good = [await ask(home, {}) for _ in range(2)]
    assert [answer.status_code for answer in good] == [200, 200]
    assert good[0].headers["ratelimit-policy"] == '"perPlayerPerMinute";q=2;w=60'
    assert re.fullmatch(r'"perPlayerPerMinute";r=1;t=(29|30)', good[0].headers["ratelimit"])
    refused = await ask(home, {})
    body = assert_problem(refused, 429, "rate-limited")
    assert "perPlayerPerMinute is 2 for each player" in body["detail"]
    assert 28 <= int(refused.headers["retry-after"]) <= 30
    assert refused.headers["ratelimit"].startswith('"perPlayerPerMinute";r=0;t=')
    assert (await ask(home, {}, player="Jory")).status_code == 200
    limited = (await home.client.get("/metrics")).text
    assert 'fabula_gateway_limited_total{limit="perPlayerPerMinute"} 1.0' in limited


async def test_a_session_without_a_player_counts_by_itself(home: House) -> None:
    await configure(home, limits={"perPlayerPerMinute": 1})
    for _ in range(2):
        url = f"/v1/sessions/{await home.session()}/decisions"
        assert (await home.client.post(url, json=ASK)).status_code == 200
        assert_problem(await home.client.post(url, json=ASK), 429, "rate-limited")


async def test_the_lower_rate_of_key_and_storyteller_binds_and_each_key_has_its_own(
    home: House,
) -> None:
    slow = keep(home, "slow", "admin", perMinute=2)
    other = keep(home, "other", "admin", perMinute=1000)
    await closed(home, limits={"perKeyPerMinute": 4})
    statuses = [(await ask(home, slow, player=str(n))).status_code for n in range(2)]
    assert statuses == [200, 429], "beginning a session counts as well"
    assert [(await ask(home, other)).status_code for _ in range(3)] == [200, 200, 429]


async def test_a_repeated_decision_is_counted_once(home: House) -> None:
    await configure(home, limits={"perPlayerPerMinute": 1})
    url = f"/v1/sessions/{await home.session(player='Mara')}/decisions"
    headers = {"idempotency-key": "turn-1"}
    answers = [await home.client.post(url, json=ASK, headers=headers) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {200}


async def test_pages_of_named_origins_may_call_from_a_browser(home: House) -> None:
    asked = {
        "origin": ORIGIN,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, content-type, idempotency-key",
    }
    assert "access-control-allow-origin" not in (
        await home.client.options("/v1/sessions", headers=asked)
    ).headers  # fmt: skip
    await closed(home, corsOrigins=[ORIGIN])
    allowed = await home.client.options("/v1/sessions", headers=asked)
    assert allowed.status_code == 200, "a browser asks first, without a key"
    assert allowed.headers["access-control-allow-origin"] == ORIGIN
    assert "access-control-allow-credentials" not in allowed.headers
    answer = await ask(home, {"origin": ORIGIN})
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "retry-after" in answer.headers["access-control-expose-headers"]
    stranger = await home.client.options(
        "/v1/sessions", headers={**asked, "origin": "https://evil.example.com"}
    )
    assert "access-control-allow-origin" not in stranger.headers
    await configure(home)
    assert "access-control-allow-origin" not in (await ask(home, {"origin": ORIGIN})).headers


async def test_the_document_says_that_a_key_may_be_needed(home: House) -> None:
    document = (await home.client.get("/openapi.json")).json()
    assert set(document["components"]["securitySchemes"]) == {"HTTPBearer", "APIKeyHeader"}
    assert "security" not in document["paths"]["/v1/status"]["get"]
    assert document["paths"]["/v1/sessions"]["post"]["security"]


async def test_only_an_admin_deletes_a_session(home: House) -> None:
    game, ops = keep(home, "game", "decide", "read"), keep(home, "ops", "admin")
    await closed(home)
    begun = await home.client.post("/v1/sessions", json={"player": "Mara"}, headers=game)
    url = f"/v1/sessions/{begun.json()['id']}"
    fact = await home.client.post(f"{url}/facts", json={"text": "Mara limps."}, headers=game)
    assert fact.status_code == 201
    assert_problem(await home.client.delete(url, headers=game), 403, "scope-missing")
    assert (await home.client.delete(url, headers=ops)).status_code == 204


async def test_who_only_says_that_he_is_a_replica_is_counted(home: House) -> None:
    await configure(home, limits={"perKeyPerMinute": 2})
    answers = [
        await home.client.get("/v1/decisions/d-7-00000000", headers={PEER: said})
        for said in ("1", "none", f"{int(time.time())}.{'0' * 64}")
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 429]


@pytest.mark.parametrize("key", [{}, {"idempotency-key": "turn-1"}])
async def test_asking_in_vain_is_counted(home: House, key: dict[str, str]) -> None:
    await configure(home, limits={"perKeyPerMinute": 2})
    url = "/v1/sessions/s-unknown/decisions"
    answers = [await home.client.post(url, json=ASK, headers=key) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [404, 404, 429, 429]
    assert int(answers[-1].headers["retry-after"]) > 0


async def test_a_key_for_another_question_is_counted(home: House) -> None:
    session = await home.session(player="Mara")
    await configure(home, limits={"perKeyPerMinute": 3})
    url, key = f"/v1/sessions/{session}/decisions", {"idempotency-key": "turn-1"}
    assert (await home.client.post(url, json=ASK, headers=key)).status_code == 200
    other = {"question": "Something else?"}
    answers = [await home.client.post(url, json=other, headers=key) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [409, 409, 429]


async def test_a_repeat_is_told_whatever_the_rates_say_and_others_are_refused_without_a_look(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await home.session(player="Mara")
    await configure(home, limits={"perKeyPerMinute": 1})
    url, key = f"/v1/sessions/{session}/decisions", {"idempotency-key": "turn-1"}
    first = await home.client.post(url, json=ASK, headers=key)
    for other in ({"idempotency-key": "turn-2"}, {}):
        refused = await home.client.post(url, json=ASK, headers=other)
        assert_problem(refused, 429, "rate-limited")
    again = await home.client.post(url, json=ASK, headers=key)
    assert again.json()["id"] == first.json()["id"]
    looks: list[str] = []
    begin = home.gateway.sessions.begin

    async def counting(session: str, key: str | None, lease: float) -> Any:
        looks.append(session)
        return await begin(session, key, lease)

    monkeypatch.setattr(home.gateway.sessions, "begin", counting)
    assert_problem(await home.client.post(url, json=ASK), 429, "rate-limited")
    assert looks == []
    await configure(home, limits={"perKeyPerMinute": 10})
    home.gateway.guards.check(Visit())  # another limit is another matter


async def test_a_page_may_send_every_header_that_the_api_reads(home: House) -> None:
    await configure(home, corsOrigins=[ORIGIN])
    document = (await home.client.get("/openapi.json")).json()
    sent = {
        parameter["name"]
        for path in document["paths"].values()
        for operation in path.values()
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "header"
    }
    assert {"idempotency-key", "cache-control"} <= sent
    asked = {
        "origin": ORIGIN,
        "access-control-request-method": "POST",
        "access-control-request-headers": ", ".join(sorted(sent)),
    }
    answer = await home.client.options("/v1/sessions", headers=asked)
    assert answer.status_code == 200, answer.text
