"""The OpenFeature remote evaluation protocol, as providers speak it."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.runtime.config.serving import VALUES, Config, serving, with_gold

FLAGS = "/ofrep/v1/evaluate/flags"
CONTEXT = {"context": {"targetingKey": "s-1", "level": 7, "guild": {"name": "ash"}}}


@pytest.mark.parametrize(("key", "value"), VALUES.items())
async def test_each_flag_has_value_variant_and_reason(
    config: Config, key: str, value: object
) -> None:
    answer = await config.client.post(f"{FLAGS}/{key}", json=CONTEXT)
    expected = {"key": key, "value": value, "reason": "STATIC", "variant": "default"}
    assert answer.status_code == 200
    assert answer.json() == expected


async def test_a_number_stays_one_on_the_wire(config: Config) -> None:
    assert '"value":1.0,' in (await config.client.post(f"{FLAGS}/ash-fall", json={})).text


async def test_all_flags_come_at_once_and_not_again_while_nothing_changes(config: Config) -> None:
    answer = await config.client.post(FLAGS, json=CONTEXT)
    assert {flag["key"]: flag["value"] for flag in answer.json()["flags"]} == VALUES
    known = {"if-none-match": answer.headers["etag"]}
    again = await config.client.post(FLAGS, json=CONTEXT, headers=known)
    assert (again.status_code, again.content) == (304, b"")
    await config.configure(tunables=with_gold(140))
    changed = await config.client.post(FLAGS, json=CONTEXT, headers=known)
    assert changed.status_code == 200
    assert changed.headers["etag"] != known["if-none-match"]


@pytest.mark.parametrize("path", [FLAGS, f"{FLAGS}/quest-gold"])
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "PARSE_ERROR"),
        (b"[]", "PARSE_ERROR"),
        (b"\xff", "PARSE_ERROR"),
        (b"[" * 50_000, "PARSE_ERROR"),
        (b'{"context": []}', "INVALID_CONTEXT"),
        (b'{"context": null}', "INVALID_CONTEXT"),
        (b'{"context": {"targetingKey": 7}}', "INVALID_CONTEXT"),
        (b'{"context": {"targetingKey": "%s"}}' % (b"x" * 257), "INVALID_CONTEXT"),
    ],
)
async def test_what_cannot_be_evaluated_is_refused_in_the_protocols_words(
    config: Config, path: str, body: bytes, code: str
) -> None:
    answer = await config.client.post(path, content=body)
    assert answer.status_code == 400
    said: dict[str, Any] = answer.json()
    assert said["errorCode"] == code
    assert "send it again" in said["errorDetails"]
    assert said.get("key") == ("quest-gold" if path != FLAGS else None)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"context": {}}', b'{"other": 1}'])
async def test_nobody_in_particular_may_ask(config: Config, body: bytes) -> None:
    assert (await config.client.post(FLAGS, content=body)).status_code == 200


async def test_an_unknown_flag_is_not_found(config: Config) -> None:
    answer = await config.client.post(f"{FLAGS}/quest-silver", json=CONTEXT)
    assert answer.status_code == 404
    assert answer.json()["errorCode"] == "FLAG_NOT_FOUND"
    assert "spec.tunables" in answer.json()["errorDetails"]


async def test_a_body_that_is_too_long_is_refused(config: Config) -> None:
    answer = await config.client.post(FLAGS, content=b" " * 70_000)
    assert answer.status_code == 413
    assert answer.json()["errorCode"] == "GENERAL"


async def test_it_says_so_while_there_is_no_configuration(tmp_path: Path) -> None:
    async with serving(tmp_path) as config:
        answer = await config.client.post(FLAGS, json={})
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert answer.json()["errorCode"] == "GENERAL"
