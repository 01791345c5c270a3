"""Models are asked again as they were asked then, and every difference is said."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from crds.gateway import CONFIG_KEY, GatewayConfig
from crds.routes import ROUTES_KEY, RouteTable
from runtime.audit import Record
from runtime.gateway.story.again import ask_again
from tests.unit.runtime.stubs.engine import Stub
from tests.unit.runtime.stubs.gateway import House, house

OPTIONS = ["Open the gate", "Ring the bell"]
ASK = {"question": "The guard sees Mara. What does he do?", "options": OPTIONS}


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path, *(Stub(answer=OPTIONS[0]) for _ in range(3))) as home:
        yield home


@pytest.fixture
async def record(home: House) -> Record:
    home.write_routes(minimum_votes=3)
    session = await home.session(player="Mara", context="Mara carries a coal.")
    await home.decide(session, **ASK)
    made = await home.decide(session, **ASK)
    found = await home.gateway.decisions.get(made["id"])
    assert found is not None
    return found


def told(home: House) -> tuple[GatewayConfig, RouteTable]:
    return (
        GatewayConfig.model_validate_json((home.folder / CONFIG_KEY).read_bytes()),
        RouteTable.model_validate_json((home.folder / ROUTES_KEY).read_bytes()),
    )


async def test_the_same_models_are_asked_the_very_same(home: House, record: Record) -> None:
    before = [stub.asked[-1]["messages"] for stub in home.stubs]
    config, table = told(home)
    async with aiohttp.ClientSession() as http:
        again, result = await ask_again(record, config, table, http, urls={})
    assert [stub.asked[-1]["messages"] for stub in home.stubs][:2] == before[:2]
    assert [each.then.member for each in again] == ["chronicler", "oracle", "jester"]
    assert [each.same for each in again][:2] == [True, True]
    assert [each.differs for each in again] == [("no seed: it draws anew each time",)] * 3
    assert (result.decision, result.outcome) == (record.result.decision, "Vote")


async def test_every_difference_is_said(home: House, record: Record) -> None:
    home.stubs[0].answer = OPTIONS[1]
    home.stubs[1].behaviour = "error"
    home.write_routes(minimum_votes=1)
    config, table = told(home)
    routes = [
        table.routes[0].model_copy(update={"revision": "0000000b", "model": "large"}),
        table.routes[1].model_copy(update={"role": "You are someone else."}),
    ]
    table = table.model_copy(update={"routes": routes})
    async with aiohttp.ClientSession() as http:
        again, result = await ask_again(record, config, table, http, urls={})
    chronicler, oracle, jester = again
    assert not chronicler.same
    assert "revision 0000000b, then 0000000a" in chronicler.differs
    assert "model large, then small" in chronicler.differs
    assert oracle.now is not None
    assert (oracle.now.error or "").startswith("Status")
    assert any("another prompt" in each for each in oracle.differs)
    assert (jester.now, jester.differs) == (None, ("the ensemble has no such member any more",))
    assert result.decision == OPTIONS[1]


async def test_a_member_may_be_asked_elsewhere(home: House, record: Record) -> None:
    config, table = told(home)
    gone = [route.model_copy(update={"url": "http://127.0.0.1:9"}) for route in table.routes]
    table = table.model_copy(update={"routes": gone})
    async with aiohttp.ClientSession() as http:
        again, _ = await ask_again(
            record, config, table, http, urls={"chronicler": home.stubs[0].url}
        )
    assert again[0].same
    assert again[1].now is not None
    assert (again[1].now.error or "").startswith("Connect")
