"""API keys: who calls, what he may do, and that a key is never told again."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.limits.keys import (
    ANYONE,
    SCOPES,
    BadKeyItemError,
    ForbiddenError,
    Keyring,
    Scope,
    UnauthenticatedError,
    digest,
    id_of,
    new_key,
    presented,
    read_item,
)


def put(folder: Path, name: str, key: str, *scopes: str, **more: object) -> None:
    """An item of the Secret, replaced as a whole as kubelet does."""
    fresh = folder / f".{name}.new"
    fresh.write_text(json.dumps({"sha256": digest(key), "scopes": scopes or ["decide"], **more}))
    os.replace(fresh, folder / name)


@pytest.fixture
def ring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path)


def test_a_key_is_known_by_its_hash(tmp_path: Path, ring: Keyring) -> None:
    key = new_key("game-server")
    put(tmp_path, "game-server", key, "decide", "read", perMinute=600, dailyUSD="50")
    assert ring.refresh()
    caller = ring.caller(key)
    assert (caller.key, caller.per_minute, caller.daily_usd) == ("game-server", 600, "50")
    caller.require("decide")
    with pytest.raises(ForbiddenError, match="key game-server has no scope admin"):
        caller.require("admin")
    assert all(key not in path.read_text() for path in tmp_path.iterdir())


@pytest.mark.parametrize("scope", SCOPES)
def test_admin_and_anyone_may_do_everything(tmp_path: Path, ring: Keyring, scope: Scope) -> None:
    put(tmp_path, "ops", key := new_key("ops"), "admin")
    ring.refresh()
    ring.caller(key).require(scope)
    ANYONE.require(scope)


def test_what_is_no_key_of_this_gateway_is_refused(tmp_path: Path, ring: Keyring) -> None:
    key = new_key("game")
    put(tmp_path, "game", key)
    ring.refresh()
    for wrong in (None, "", "x", key[:-1], key + "x", key.swapcase(), new_key("game"), "fk_game_",
                  new_key("other"), key.replace("game", "../game"), "é" * 50):  # fmt: skip
        with pytest.raises(UnauthenticatedError):
            ring.caller(wrong)


def test_keys_change_while_the_gateway_runs(tmp_path: Path, ring: Keyring) -> None:
    old, new = new_key("game"), new_key("game-2")
    put(tmp_path, "game", old)
    assert ring.refresh()
    assert not ring.refresh()
    put(tmp_path, "game-2", new)
    assert ring.refresh()
    assert ring.caller(old).key == "game"
    (tmp_path / "game").unlink()
    ring.refresh()
    assert ring.caller(new).key == "game-2"
    with pytest.raises(UnauthenticatedError):
        ring.caller(old)


def test_without_a_folder_there_are_no_keys(tmp_path: Path) -> None:
    ring = Keyring(tmp_path / "none")
    ring.refresh()
    assert len(ring) == 0


def test_an_item_that_is_no_key_is_named_and_the_others_serve(
    tmp_path: Path, ring: Keyring
) -> None:
    key = new_key("game")
    put(tmp_path, "game", key)
    (tmp_path / "Upper").write_text("{}")
    (tmp_path / "raw").write_text(new_key("raw"))
    (tmp_path / "long").write_text(" " * 5000)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "..data").mkdir()
    ring.refresh()
    assert ring.caller(key).key == "game"
    assert set(ring.faults) == {"Upper", "raw", "long", "binary"}
    assert "fabula keys create" in ring.faults["raw"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sha256": "fk_game_secret"}, "sha256"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["write"]}, "scopes.0"),
        ({"scopes": ["read", "read"]}, "must differ"),
        ({"perMinute": 0}, "perMinute"),
        ({"dailyUSD": 5}, "dailyUSD"),
        ({"key": "fk_game_secret"}, "key"),
    ],
)
def test_what_is_wrong_with_an_item_is_told_without_its_values(
    change: dict[str, object], words: str
) -> None:
    item = {"sha256": digest("x"), "scopes": ["read"], **change}
    with pytest.raises(BadKeyItemError) as told:
        read_item(json.dumps(item))
    assert words in str(told.value)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("name", ["", "A", "-a", "a-", "a_b", "a/b", "x" * 41])
def test_an_id_is_a_short_label(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the id"):
        new_key(name)


def test_keys_are_long_and_never_the_same() -> None:
    keys = {new_key("a") for _ in range(100)}
    assert len(keys) == 100
    assert {len(key) for key in keys} == {len("fk_a_") + 43}
    assert {id_of(key) for key in keys} == {"a"}


@given(st.text(max_size=80))
def test_no_text_is_too_odd_to_be_refused(text: str) -> None:
    with pytest.raises(UnauthenticatedError):
        Keyring(Path("/none")).caller(text)


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({"authorization": "Bearer fk_a"}, "fk_a"),
        ({"authorization": "bearer  fk_a "}, "fk_a"),
        ({"x-api-key": "fk_b"}, "fk_b"),
        ({"authorization": "Basic abc", "x-api-key": "fk_b"}, "fk_b"),
        ({"authorization": "Bearer "}, None),
        ({}, None),
    ],
)
def test_a_key_comes_as_a_bearer_or_in_a_header_of_its_own(
    headers: dict[str, str], key: str | None
) -> None:
    assert presented(headers) == key
