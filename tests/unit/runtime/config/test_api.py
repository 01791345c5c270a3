"""Games read values when a session begins, and hear of changes."""

import asyncio
from pathlib import Path

from tests.unit.runtime.config.serving import (
    TUNABLES,
    VALUES,
    Config,
    serving,
    with_gold,
    write_config,
)
from tests.unit.runtime.stubs.waiting import eventually


async def test_every_value_comes_with_its_type(config: Config) -> None:
    answer = await config.client.get("/v1/config", params={"session": "s-1"})
    assert answer.json() == {"world": "emberfall", "digest": "d1", "values": VALUES}
    assert '"ash-fall":1.0' in answer.text


async def test_who_has_the_latest_is_not_sent_it_again(config: Config) -> None:
    tag = await config.tag()
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = await config.client.get("/v1/config", headers={"if-none-match": known})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == tag
    answer = await config.client.get("/v1/config", headers={"if-none-match": '"other"'})
    assert answer.status_code == 200


async def test_who_waits_hears_of_a_change_at_once(config: Config) -> None:
    waiting = asyncio.create_task(
        config.client.get(
            "/v1/config", params={"wait": 30}, headers={"if-none-match": await config.tag()}
        )
    )
    await eventually(lambda: config.waiting == 1)
    await config.configure(tunables=with_gold(140), digest="d2")
    async with asyncio.timeout(5):
        answer = await waiting
    assert answer.json()["values"]["quest-gold"] == 140
    assert config.waiting == 0


async def test_a_change_that_changes_no_value_wakes_nobody_up_with_news(config: Config) -> None:
    tag = await config.tag()
    waiting = asyncio.create_task(
        config.client.get("/v1/config", params={"wait": 1}, headers={"if-none-match": tag})
    )
    await eventually(lambda: config.waiting == 1)
    await config.configure(per_key_per_minute=1000)
    assert (await waiting).status_code == 304


async def test_who_waits_is_answered_when_the_service_ends(config: Config) -> None:
    waiting = asyncio.create_task(
        config.client.get(
            "/v1/config", params={"wait": 30}, headers={"if-none-match": await config.tag()}
        )
    )
    await eventually(lambda: config.waiting == 1)
    config.service.drain()
    async with asyncio.timeout(5):
        assert (await waiting).status_code == 304
    assert (await config.client.get("/readyz")).status_code == 503


async def test_no_more_wait_than_may(tmp_path: Path) -> None:
    write_config(tmp_path)
    async with serving(tmp_path, max_waiting=0) as config:
        await eventually(lambda: config.service.unready is None)
        answer = await config.client.get(
            "/v1/config", params={"wait": 30}, headers={"if-none-match": await config.tag()}
        )
    assert answer.status_code == 503
    assert answer.json()["type"].endswith(":crowded")
    assert answer.headers["retry-after"] == "2"


async def test_tools_see_what_may_be_changed_and_what_is_locked(config: Config) -> None:
    found = (await config.client.get("/v1/config/tunables")).json()["tunables"]
    assert [each["name"] for each in found] == [each["name"] for each in TUNABLES]
    assert [each["name"] for each in found if each["locked"]] == ["permadeath"]
    assert found[3]["oneOf"] == ["dusk", "dawn"]


async def test_it_is_not_ready_before_it_is_told_what_to_serve(tmp_path: Path) -> None:
    async with serving(tmp_path) as config:
        assert (await config.client.get("/livez")).text == "ok"
        assert (await config.client.get("/readyz")).status_code == 503
        answer = await config.client.get("/v1/config")
        assert answer.json()["type"].endswith(":not-configured")
        write_config(tmp_path)
        await eventually(lambda: config.service.unready is None)
        assert (await config.client.get("/readyz")).text == "ok"


async def test_metrics_tell_what_is_served(config: Config) -> None:
    await config.client.get("/v1/config")
    text = (await config.client.get("/metrics")).text
    assert 'fabula_config_answers_total{interface="config"} 1.0' in text
    assert "fabula_config_tunables 5.0" in text
