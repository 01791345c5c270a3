"""A logged decision is final, also while the session store refuses its turn."""

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from runtime.sessions.sqlite import SqliteSessions
from tests.unit.runtime.stubs.gateway import House
from tests.unit.runtime.stubs.waiting import eventually

ASK = {"question": "Does it rain?", "options": ["yes", "no"]}


@pytest.fixture
def refuse(home: House, monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Make the session store refuse every write, or take them again."""
    monkeypatch.setattr("runtime.sessions.owed.RETRY_SECONDS", 0.01)
    monkeypatch.setattr("runtime.sessions.owed.MAX_RETRY_SECONDS", 0.02)
    store = home.gateway.sessions
    assert isinstance(store, SqliteSessions)
    write = store._commit._write

    def refusing(batch: Any) -> Any:
        raise sqlite3.OperationalError("disk I/O error")

    def switch(refused: bool) -> None:
        monkeypatch.setattr(store._commit, "_write", refusing if refused else write)

    return switch


async def test_it_is_answered_kept_under_its_key_and_noted_later(
    home: House, refuse: Callable[[bool], None]
) -> None:
    url = f"/v1/sessions/{await home.session()}/decisions"
    headers = {"idempotency-key": "turn-1"}
    refuse(True)
    first = await home.client.post(url, json=ASK, headers=headers)
    again = await home.client.post(url, json=ASK, headers=headers)
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    refuse(False)
    session = url.split("/")[3]
    store = home.gateway.sessions
    assert isinstance(store, SqliteSessions)
    await eventually(lambda: not len(store._owed))
    assert (await home.client.get(f"/v1/sessions/{session}")).json()["turns"] == 1
    assert (await home.client.post(url, json=ASK, headers=headers)).json() == first.json()
    assert len(home.gateway.decisions) == 1


async def test_no_decision_is_begun_when_too_many_turns_wait(
    home: House, refuse: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.sessions.owed.BOUND", 1)
    url = f"/v1/sessions/{await home.session()}/decisions"
    refuse(True)
    assert (await home.client.post(url, json=ASK)).status_code == 200
    refused = await home.client.post(url, json=ASK)
    assert refused.status_code == 503
    assert "volume-refused" in refused.json()["type"]
    assert len(home.gateway.decisions) == 1


async def test_the_next_turn_knows_of_one_that_waits(
    home: House, refuse: Callable[[bool], None]
) -> None:
    for stub in home.stubs:
        stub.answer = "yes"
    session = await home.session()
    refuse(True)
    await home.decide(session, **ASK)
    await home.decide(session, question="And then?", options=["yes", "no"])
    assert "Does it rain? yes" in home.stubs[0].asked[-1]["messages"][1]["content"]
    refuse(False)
    store = home.gateway.sessions
    assert isinstance(store, SqliteSessions)
    await eventually(lambda: not len(store._owed))
    assert (await store.get(session)).turns == 2
