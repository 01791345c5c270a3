"""The short way and the long one give the same answers."""

from collections.abc import Mapping
from typing import Any

import pytest
from starlette.types import Scope

from runtime.gateway.interfaces.shortcuts import Shortcuts
from tests.unit.runtime.stubs.gateway import House

ASK = {"question": "Does it rain?", "options": ["yes", "no"]}
CHAT = {"model": "bard", "messages": [{"role": "user", "content": "Does it rain?"}]}


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each request, whether it was led the short way."""
    taken: list[bool] = []
    way = Shortcuts._way

    def seen(self: Shortcuts, scope: Scope) -> Any:
        found = way(self, scope)
        taken.append(found[0] is not None)
        return found

    monkeypatch.setattr(Shortcuts, "_way", seen)
    return taken


def lead_the_long_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Shortcuts, "_way", lambda *_: (None, {}))


@pytest.mark.parametrize("path", ["short", "long"])
async def test_a_decision_is_made(
    home: House, path: str, monkeypatch: pytest.MonkeyPatch, short: list[bool]
) -> None:
    if path == "long":
        lead_the_long_way(monkeypatch)
    url = f"/v1/sessions/{await home.session()}/decisions"
    headers = {"idempotency-key": "turn-1", "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
    first = await home.client.post(url, json=ASK, headers=headers)
    again = await home.client.post(url, json=ASK, headers=headers)
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert first.headers["content-type"] == "application/json"
    assert first.headers["traceparent"].startswith(f"00-{'a' * 32}-")
    assert short[-2:] == ([True, True] if path == "short" else [])


async def test_a_completion_takes_the_short_way(home: House, short: list[bool]) -> None:
    answer = await home.client.post("/v1/chat/completions", json=CHAT)
    assert answer.status_code == 200
    assert short[-1] is True


@pytest.mark.parametrize(
    ("url", "sent", "headers"),
    [
        ("/v1/sessions/{session}/decisions", {"json": {"question": ""}}, {}),
        ("/v1/sessions/{session}/decisions", {"json": ASK}, {"idempotency-key": "two words"}),
        ("/v1/sessions/{session}/decisions", {"content": b"{"}, {}),
        (
            "/v1/sessions/{session}/decisions",
            {"content": b'{"question": "Who?"}'},
            {"content-type": "text/plain"},
        ),
        ("/v1/sessions/s-unknown/decisions", {"json": ASK}, {}),
        ("/v1/chat/completions", {"json": {"model": "bard"}}, {}),
        ("/v1/chat/completions", {"json": CHAT | {"model": "nobody"}}, {}),
        ("/v1/chat/completions", {"json": CHAT | {"tools": []}}, {}),
    ],
)
async def test_what_is_wrong_is_said_in_the_same_words(
    home: House,
    monkeypatch: pytest.MonkeyPatch,
    url: str,
    sent: dict[str, Any],
    headers: Mapping[str, str],
) -> None:
    url = url.format(session=await home.session())
    short = await home.client.post(url, headers=headers, **sent)
    lead_the_long_way(monkeypatch)
    long = await home.client.post(url, headers=headers, **sent)
    assert (short.status_code, short.json()) == (long.status_code, long.json())
    assert short.status_code >= 400
    assert short.headers["content-type"] == long.headers["content-type"]


async def test_a_header_that_is_sent_twice_takes_the_long_way(
    home: House, short: list[bool]
) -> None:
    url = f"/v1/sessions/{await home.session()}/decisions"
    headers = [("idempotency-key", "a"), ("idempotency-key", "b")]
    assert (await home.client.post(url, json=ASK, headers=headers)).status_code == 200
    assert short[-1] is False
