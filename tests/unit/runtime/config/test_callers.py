"""Who may read, from where, and how often."""

from pathlib import Path

from runtime.limits.keys import KeyItem, Scope, digest, new_key
from tests.unit.runtime.config.serving import Config

FLAGS = "/ofrep/v1/evaluate/flags"


def keep(folder: Path, name: str, *scopes: Scope, per_minute: int | None = None) -> dict[str, str]:
    """Put a key in the folder; the headers that show it."""
    key = new_key(name)
    item = KeyItem(sha256=digest(key), scopes=list(scopes), per_minute=per_minute)
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(item.model_dump_json(by_alias=True, exclude_none=True))
    return {"authorization": f"Bearer {key}"}


async def test_without_keys_whoever_reaches_it_may_read(config: Config) -> None:
    assert (await config.client.get("/v1/config")).status_code == 200


async def test_a_key_needs_the_scope_config(config: Config) -> None:
    folder = config.folder / "keys"
    reader, decider = keep(folder, "reader", "config"), keep(folder, "decider", "decide")
    await config.configure(api_keys_dir=str(folder))
    assert (await config.client.get("/v1/config", headers=reader)).status_code == 200
    refused = await config.client.get("/v1/config", headers=decider)
    assert refused.status_code == 403
    assert "no scope config" in refused.json()["detail"]
    assert (await config.client.get("/v1/config")).status_code == 401


async def test_a_players_key_reads_values_and_not_what_designers_say_of_them(
    config: Config,
) -> None:
    folder = config.folder / "keys"
    page, tool = keep(folder, "page", "config"), keep(folder, "tool", "read")
    await config.configure(api_keys_dir=str(folder))
    refused = await config.client.get("/v1/config/tunables", headers=page)
    assert refused.status_code == 403
    assert (await config.client.get("/v1/config/tunables", headers=tool)).status_code == 200


async def test_openfeature_is_refused_in_its_own_words(config: Config) -> None:
    folder = config.folder / "keys"
    reader = keep(folder, "reader", "config")
    await config.configure(api_keys_dir=str(folder))
    for path in (FLAGS, f"{FLAGS}/quest-gold"):
        refused = await config.client.post(path, json={})
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == 'Bearer realm="fabula"'
        assert refused.json()["errorCode"] == "GENERAL"
        assert (await config.client.post(path, json={}, headers=reader)).status_code == 200
    shown = {"x-api-key": reader["authorization"].removeprefix("Bearer ")}
    assert (await config.client.post(FLAGS, json={}, headers=shown)).status_code == 200


async def test_each_replica_lets_its_share_through(config: Config) -> None:
    await config.configure(per_key_per_minute=4, replicas=2)
    first = await config.client.get("/v1/config")
    assert first.headers["ratelimit-policy"] == '"perKeyPerMinute";q=2;w=60'
    assert (await config.client.post(FLAGS, json={})).status_code == 200
    refused = await config.client.post(f"{FLAGS}/quest-gold", json={})
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0
    assert "spec.config.perKeyPerMinute of the World" in refused.json()["errorDetails"]
    assert (await config.client.get("/v1/config")).json()["type"].endswith(":rate-limited")


async def test_a_keys_own_limit_counts_where_it_is_lower(config: Config) -> None:
    folder = config.folder / "keys"
    slow = keep(folder, "slow", "config", per_minute=1)
    quick = keep(folder, "quick", "config")
    await config.configure(api_keys_dir=str(folder), per_key_per_minute=100)
    answers = [await config.client.get("/v1/config", headers=slow) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert (await config.client.get("/v1/config", headers=quick)).status_code == 200


async def test_only_named_pages_may_poll_with_an_etag(config: Config) -> None:
    await config.configure(cors_origins=["https://play.example"])
    ask = {
        "origin": "https://play.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,if-none-match,authorization",
    }
    allowed = await config.client.options(FLAGS, headers=ask)
    assert allowed.headers["access-control-allow-origin"] == "https://play.example"
    answer = await config.client.post(FLAGS, json={}, headers={"origin": "https://play.example"})
    assert "etag" in answer.headers["access-control-expose-headers"]
    other = await config.client.options(FLAGS, headers={**ask, "origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers
