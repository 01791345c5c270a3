"""What a gateway promises about its log, anyone can check."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from crds.checkpoint import Checkpoint, VerifierKey
from crds.merkle import leaf_hash, verify_consistency, verify_inclusion
from runtime.audit import Record, replay
from runtime.gateway.peers import HEADER, Peers
from runtime.sessions import UnknownSessionError
from tests.unit.runtime.stubs.engine import Stub
from tests.unit.runtime.stubs.gateway import House, house, serving
from tests.unit.runtime.stubs.waiting import eventually

OPTIONS = ["Open the gate", "Ring the bell", "Ask for a song"]
ASK = {"question": "The guard sees Mara. What does he do?", "options": OPTIONS}
ORIGIN = "default/bard/bard-gateway-0"


def hashes(steps: list[str]) -> list[bytes]:
    return [base64.b64decode(step) for step in steps]


def checked(answer: dict[str, Any]) -> Checkpoint:
    return VerifierKey.parse(answer["key"]).verify(answer["checkpoint"])


@pytest.fixture
async def signed(tmp_path: Path) -> Any:
    stubs = [Stub(answer=OPTIONS[0]) for _ in range(3)]
    async with house(tmp_path, *stubs, replica="bard-gateway-0") as home:
        yield home


async def test_a_decision_is_proven_to_be_under_the_checkpoint(signed: House) -> None:
    session = await signed.session(player="Mara")
    made = [await signed.decide(session, **ASK) for _ in range(5)]
    answer = (await signed.client.get(f"/v1/audit/proof/{made[2]['id']}")).json()
    checkpoint = checked(answer)
    assert (checkpoint.origin, checkpoint.size, answer["index"]) == (ORIGIN, 5, 2)
    leaf, proof = base64.b64decode(answer["leafHash"]), hashes(answer["proof"])
    assert leaf == leaf_hash(signed.gateway.decisions._journal.read(2))
    assert verify_inclusion(leaf, 2, 5, proof, checkpoint.root)
    assert not verify_inclusion(leaf, 3, 5, proof, checkpoint.root)


async def test_the_log_is_proven_to_have_only_grown(signed: House) -> None:
    session = await signed.session()
    first = await signed.decide(session, **ASK)
    old = checked((await signed.client.get(f"/v1/audit/proof/{first['id']}")).json())
    later = [await signed.decide(session, **ASK) for _ in range(6)]
    await signed.client.get(f"/v1/audit/proof/{later[-1]['id']}")
    note = (await signed.client.get("/v1/audit/checkpoint")).text
    answer = (await signed.client.get("/v1/audit/consistency", params={"from": old.size})).json()
    assert answer["checkpoint"] == note
    new = checked(answer)
    assert (old.size, new.size) == (1, 7)
    assert verify_consistency(1, 7, hashes(answer["proof"]), old.root, new.root)


async def test_the_report_proves_from_the_size_that_the_operator_knows(signed: House) -> None:
    session = await signed.session()
    await signed.decide(session, **ASK)
    await signed.decide(session, **ASK)
    await signed.gateway.decisions.checkpoint(ORIGIN)
    audit = (await signed.client.get("/v1/status", params={"auditSince": 1})).json()["audit"]
    assert (audit["since"], len(audit["proof"]), checked(audit).size) == (1, 1, 2)
    plain = (await signed.client.get("/v1/status", params={"auditSince": 9})).json()["audit"]
    assert "since" not in plain
    assert plain["proof"] == []


async def test_a_restarted_gateway_signs_with_the_same_key(tmp_path: Path) -> None:
    async with house(tmp_path, Stub(answer="yes"), replica="bard-gateway-0") as home:
        decision = await home.decide(await home.session(), question="Well?")
        before = (await home.client.get("/v1/status")).json()["audit"]["key"]
    key = tmp_path / "data" / "audit.key"
    assert key.stat().st_mode & 0o777 == 0o600
    async with serving(tmp_path, replica="bard-gateway-0") as (client, gateway):
        await eventually(lambda: gateway.unready is None)
        answer = (await client.get(f"/v1/audit/proof/{decision['id']}")).json()
        assert answer["key"] == before
        assert checked(answer).size == 1


@pytest.mark.parametrize("decision", ["d-9-00000000", "nonsense", "d-0-00000000"])
async def test_what_is_not_in_the_log_has_no_proof(signed: House, decision: str) -> None:
    await signed.decide(await signed.session(), **ASK)
    assert (await signed.client.get(f"/v1/audit/proof/{decision}")).status_code == 404


async def test_a_size_that_the_log_never_had_is_refused(signed: House) -> None:
    answer = await signed.client.get("/v1/audit/consistency", params={"from": 10})
    assert answer.status_code == 404
    assert "has 0 entries" in answer.json()["detail"]


async def test_an_outcome_is_logged_beside_its_decision(signed: House) -> None:
    signed.stubs[2].answer = OPTIONS[1]
    signed.write_routes(minimum_votes=3, weights=(4, 4, 9), generation=8)
    await eventually(lambda: signed.gateway.report().routes_generation == 8)
    made = await signed.decide(await signed.session(player="Mara"), **ASK)
    url = f"/v1/decisions/{made['id']}/outcome"
    body = {"answer": "ring the BELL!", "score": "0.25", "source": "playtest", "task": "guard"}
    answer = await signed.client.post(url, json=body)
    assert answer.status_code == 201
    stored = signed.gateway.decisions.entry(1).dump()
    assert stored == answer.json()
    assert (stored["kind"], stored["decision"], stored["ballot"]) == ("Outcome", made["id"], 1)
    # Turns and decisions are as if it were not there.
    listed = (await signed.client.get("/v1/decisions")).json()["decisions"]
    assert [each["id"] for each in listed] == [made["id"]]
    assert (await signed.client.get(f"/v1/decisions/{stored['id']}")).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"source": "x"},
        {"score": "1.5", "source": "x"},
        {"score": "1"},
        {"answer": " ", "source": "x"},
    ],
)
async def test_an_outcome_that_says_nothing_is_refused(signed: House, body: dict[str, str]) -> None:
    made = await signed.decide(await signed.session(), **ASK)
    answer = await signed.client.post(f"/v1/decisions/{made['id']}/outcome", json=body)
    assert answer.status_code == 422
    unknown = {"score": "1", "source": "x"}
    answer = await signed.client.post("/v1/decisions/d-9-00000000/outcome", json=unknown)
    assert answer.status_code == 404


async def test_a_forgotten_player_leaves_votes_and_proofs_and_no_words(
    signed: House, tmp_path: Path
) -> None:
    session = await signed.session(player="Mara", context="Mara carries a coal.")
    other = await signed.decide(await signed.session(player="Ilse"), **ASK)
    made = await signed.decide(session, **ASK)
    before = checked((await signed.client.get(f"/v1/audit/proof/{made['id']}")).json())
    answer = await signed.client.delete("/v1/players/Mara", params={"by": "support"})
    assert answer.status_code == 200
    assert answer.json()["by"] == "support"
    record = Record.model_validate((await signed.client.get(f"/v1/decisions/{made['id']}")).json())
    assert (record.erased, record.player, record.question) == (True, "erased", "erased")
    assert replay(record) == record.result
    assert record.result.confidence == made["confidence"]
    proof = (await signed.client.get("/v1/audit/consistency", params={"from": before.size})).json()
    assert verify_consistency(
        before.size, checked(proof).size, hashes(proof["proof"]), before.root, checked(proof).root
    )
    assert (await signed.client.get(f"/v1/sessions/{session}")).status_code == 410
    assert (await signed.client.get(f"/v1/decisions/{other['id']}")).json()["player"] == "Ilse"
    assert (await signed.client.delete("/v1/players/Mara")).status_code == 404
    kept = (
        b"".join(path.read_bytes() for path in (tmp_path / "data" / "decisions").iterdir())
        + (tmp_path / "data" / "subjects.db").read_bytes()
    )
    assert b"Mara" not in kept


async def test_decisions_are_searched_by_what_is_known_of_them(signed: House) -> None:
    signed.stubs[2].answer = OPTIONS[1]
    mara, ilse = await signed.session(player="Mara"), await signed.session(player="Ilse")
    made = [await signed.decide(mara, **ASK), await signed.decide(ilse, **ASK)]
    told = await signed.decide(ilse, question="A heron lands. What then?")

    async def found(**filters: Any) -> list[str]:
        answer = await signed.client.get("/v1/decisions", params=filters)
        assert answer.status_code == 200, answer.text
        return [each["id"] for each in answer.json()["decisions"]]

    async with asyncio.timeout(20):
        while await found(text="heron") != [told["id"]]:
            pass
    assert await found(player="Ilse") == [told["id"], made[1]["id"]]
    assert await found(player="Ilse", session=mara) == []
    assert await found(member="oracle", model="small", outcome="Vote", limit=1) == [told["id"]]
    assert await found(until="2026") == []
    answer = await signed.client.get("/v1/decisions", params={"player": "Mara"})
    assert answer.json()["indexedTo"] == 3
    await signed.client.delete("/v1/players/Ilse")
    assert await found(text="heron") == []
    for wrong in ({"text": " "}, {"outcome": "Magic"}, {"since": "yesterday"}, {"colour": "red"}):
        assert (await signed.client.get("/v1/decisions", params=wrong)).status_code == 422


async def test_a_session_that_expires_meanwhile_keeps_nobody_from_being_forgotten(
    signed: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await signed.decide(await signed.session(player="Mara"), **ASK)
    sessions = signed.gateway.sessions
    delete = sessions.delete

    async def too_late(session: str) -> None:
        await delete(session)
        raise UnknownSessionError(session)

    monkeypatch.setattr(sessions, "delete", too_late)
    assert (await signed.client.delete("/v1/players/Mara")).status_code == 200


@pytest.mark.parametrize("player", ["Mara", None])
async def test_a_turn_under_way_when_its_words_are_destroyed_leaves_none(
    signed: House, player: str | None
) -> None:
    await signed.configure(cache={"exact": {"ttlMinutes": 10}})
    session = await signed.session(player=player)
    await signed.decide(session, **ASK)
    for stub in signed.stubs:
        stub.behaviour = "slow"
    url = f"/v1/sessions/{session}"
    told = asyncio.create_task(signed.client.post(f"{url}/decisions", json=ASK))
    await eventually(lambda: all(len(stub.asked) == 2 for stub in signed.stubs[:2]))
    gone = "/v1/players/Mara" if player else url
    assert (await signed.client.delete(gone)).status_code in (200, 204)
    for stub in signed.stubs:
        stub.release.set()
    assert (await told).status_code == 410
    assert len(signed.gateway.recall.shelf) == 0
    assert [record.erased for record in await signed.gateway.decisions.latest(9)] == [True, True]
    payloads = [signed.gateway.decisions._journal.read(number) for number in range(3)]
    assert not any(b"guard" in each for each in payloads)


async def test_deleting_a_session_without_a_player_destroys_its_words(signed: House) -> None:
    session = await signed.session()
    made = await signed.decide(session, **ASK)
    answer = await signed.client.delete(f"/v1/sessions/{session}")
    assert answer.status_code == 204
    assert (await signed.client.get(f"/v1/decisions/{made['id']}")).json()["erased"]
    assert signed.gateway.decisions.entry(1).kind == "Erasure"


class Neighbours(Peers):
    """Another replica, and what it answers."""

    answer: bool | None
    asked: list[str]

    async def forget(self, kind: str, name: str, *_: Any, **more: Any) -> bool | None:
        self.asked.append(f"{kind}/{name}")
        return self.answer


@pytest.mark.parametrize(
    ("elsewhere", "first", "again"), [(False, 200, 404), (True, 200, 204), (None, 503, 503)]
)
async def test_a_player_is_forgotten_by_every_replica(
    signed: House, elsewhere: bool | None, first: int, again: int
) -> None:
    signed.gateway.peers = Neighbours(aiohttp.ClientSession(), None)
    signed.gateway.peers.answer, signed.gateway.peers.asked = elsewhere, []
    await signed.decide(await signed.session(player="Mara"), **ASK)
    assert (await signed.client.delete("/v1/players/Mara")).status_code == first
    assert (await signed.client.delete("/v1/players/Mara")).status_code == again
    assert signed.gateway.peers.asked == ["players/Mara"] * 2
    await signed.gateway.peers._http.close()


@pytest.mark.parametrize(("elsewhere", "status"), [(False, 204), (True, 204), (None, 503)])
async def test_a_session_is_forgotten_by_every_replica(
    signed: House, elsewhere: bool | None, status: int
) -> None:
    signed.gateway.peers = Neighbours(aiohttp.ClientSession(), None)
    signed.gateway.peers.answer, signed.gateway.peers.asked = elsewhere, []
    url = f"/v1/sessions/{(session := await signed.session())}"
    assert (await signed.client.delete(url)).status_code == status
    assert (await signed.client.delete(url)).status_code == status, "again"
    assert (await signed.client.delete(url, headers={HEADER: "1"})).status_code == 204
    assert signed.gateway.peers.asked == [f"sessions/{session}"] * 2
    await signed.gateway.peers._http.close()
