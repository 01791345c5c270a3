"""What is left when a gateway dies: everything that it acknowledged."""

import asyncio
import shutil
from pathlib import Path

from crds.gateway import CONFIG_KEY
from crds.routes import ROUTES_KEY
from runtime.sessions.sqlite import SqliteSessions
from tests.unit.runtime.stubs.engine import Stub
from tests.unit.runtime.stubs.gateway import house, serving

ASK = {"question": "Does it rain?", "options": ["yes", "no"]}


async def test_a_gateway_goes_on_where_another_stopped(tmp_path: Path) -> None:
    async with house(tmp_path, Stub(answer="yes")) as home:
        session = await home.session(player="Mara")
        first = await home.decide(session, **ASK)
    async with serving(tmp_path) as (client, _):
        assert (await client.get(f"/v1/sessions/{session}")).json()["player"] == "Mara"
        record = (await client.get(f"/v1/decisions/{first['id']}")).json()
        assert record["result"]["decision"] == "yes"


async def test_what_was_logged_and_not_yet_noted_is_caught_up(tmp_path: Path) -> None:
    async with house(tmp_path, Stub(answer="yes")) as home:
        session = await home.session()
        url = f"/v1/sessions/{session}/decisions"
        headers = {"idempotency-key": "turn-1"}
        first = (await home.client.post(url, json=ASK, headers=headers)).json()
        # As if killed between the log and the session store.
        store = home.gateway.sessions
        assert isinstance(store, SqliteSessions)
        store._writer.execute("DELETE FROM turn")
        store._writer.execute("UPDATE progress SET noted = 0")
    async with house(tmp_path, Stub(answer="no")) as home:
        assert (await home.client.get(f"/v1/sessions/{session}")).json()["turns"] == 1
        again = (await home.client.post(url, json=ASK, headers=headers)).json()
        assert again == first


async def test_a_log_that_lost_its_end_is_noted_anew(tmp_path: Path) -> None:
    url, headers = "/v1/sessions/{}/decisions", {"idempotency-key": "turn-2"}
    async with house(tmp_path, Stub(answer="yes")) as home:
        session = await home.session()
        kept = await home.decide(session, **ASK)
        lost = (await home.client.post(url.format(session), json=ASK, headers=headers)).json()
    segment = next((tmp_path / "data" / "decisions").glob("*.seg"))
    segment.write_bytes(segment.read_bytes()[:-1])
    segment.with_name("checkpoints").unlink()  # killed before it signed
    async with house(tmp_path, Stub(answer="yes")) as home:
        again = (await home.client.post(url.format(session), json=ASK, headers=headers)).json()
        assert again["id"] != lost["id"]
        listed = await home.client.get("/v1/decisions", params={"session": session})
        assert [each["id"] for each in listed.json()["decisions"]] == [again["id"], kept["id"]]


async def test_the_number_of_a_signed_decision_is_never_given_again(tmp_path: Path) -> None:
    async with house(tmp_path, Stub(answer="yes")) as home:
        session = await home.session()
        lost = await home.decide(session, **ASK)
    segment = next((tmp_path / "data" / "decisions").glob("*.seg"))
    segment.write_bytes(segment.read_bytes()[:-1])
    async with house(tmp_path, Stub(answer="yes")) as home:
        after = await home.decide(session, **ASK)
        assert (lost["id"][:4], after["id"][:4]) == ("d-0-", "d-1-")
        assert (await home.client.get(f"/v1/decisions/{lost['id']}")).status_code == 500
        proof = await home.client.get("/v1/audit/consistency", params={"from": 1})
        assert proof.status_code == 200


async def test_the_last_good_configuration_serves_while_there_is_none(tmp_path: Path) -> None:
    async with house(tmp_path, Stub(answer="yes")) as home:
        session = await home.session()
        (tmp_path / CONFIG_KEY).write_text("{ this is not JSON")
        (tmp_path / ROUTES_KEY).write_text('{"schemaVersion": 99}')
        assert (await home.decide(session, **ASK))["decision"] == "yes"
        (tmp_path / CONFIG_KEY).unlink()
        (tmp_path / ROUTES_KEY).unlink()
        async with serving(tmp_path, data_dir=home.gateway.settings.data_dir.parent / "other") as (
            client,
            _,
        ):
            assert (await client.get("/readyz")).status_code == 503
        await asyncio.to_thread(shutil.copytree, tmp_path / "data", tmp_path / "copied")
        async with serving(tmp_path, data_dir=tmp_path / "copied") as (client, gateway):
            assert (await client.get("/readyz")).status_code == 200
            assert gateway.report().routes_generation == 7
