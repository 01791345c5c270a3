"""For how much: members are asked only with money that is there."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from crds.engines import Price
from crds.ensemble import Sampling
from crds.routes import Route
from runtime.engines import Prompt
from runtime.gateway.story.paying import ListPrices, Payer, UnpricedError
from runtime.limits.keys import ANYONE
from runtime.limits.money import Balance, BudgetExhaustedError, LedgerAwayError
from tests.unit.runtime.gateway.interfaces.test_api import ASK, assert_problem
from tests.unit.runtime.gateway.test_callers import ask, closed, configure, keep
from tests.unit.runtime.stubs.engine import Stub
from tests.unit.runtime.stubs.gateway import House, house
from tests.unit.runtime.stubs.tariff import FlatTariff
from tests.unit.runtime.stubs.waiting import eventually

QUESTION = Prompt.of("", "Does it rain?", Sampling(max_tokens=100))


@pytest.fixture
def tariff() -> FlatTariff:
    return FlatTariff()


@pytest.fixture
async def home(tmp_path: Path, tariff: FlatTariff) -> AsyncIterator[House]:
    """Three engines that cost money."""
    async with house(tmp_path, Stub(), Stub(), Stub()) as home:
        home.gateway.council._tariff = tariff
        yield home


def balance(home: House) -> Balance:
    """What is gone of the Storyteller's cap."""
    return home.gateway.guards._balances.get("storyteller/bard", ("", Balance()))[1]


async def settled(home: House, spent: int) -> None:
    await eventually(lambda: balance(home) == Balance(spent, 0))


async def decided(home: House, **more: Any) -> dict[str, Any]:
    return await home.decide(await home.session(), **{**ASK, **more})


async def test_what_answers_cost_is_spent_and_what_is_cut_short_costs_the_most(
    home: House,
) -> None:
    await configure(home, limits={"dailyUSD": "1"})
    home.stubs[2].behaviour = "slow"
    told = await decided(home)
    assert told["outcome"] == "Vote"
    await settled(home, 2 * 2_500 + 10_000)
    home.stubs[2].behaviour = "error"
    home.stubs[0].answer, home.stubs[1].answer = "yes", "no"
    await decided(home)
    await settled(home, 4 * 2_500 + 10_000)
    text = (await home.client.get("/metrics")).text
    assert "fabula_gateway_spent_usd_total 0.02" in text


async def test_when_a_cap_is_reached_the_fallback_is_told_and_says_why(
    home: House, tariff: FlatTariff
) -> None:
    tariff.cost = tariff.highest
    await configure(home, limits={"dailyUSD": "0.04"})
    assert (await decided(home))["outcome"] == "Vote"
    await eventually(lambda: balance(home).reserved == 0)
    asked = [len(stub.asked) for stub in home.stubs]
    told = await decided(home)
    assert told["outcome"] == "Fallback"
    for vote in told["votes"]:
        assert vote["error"].startswith("Budget: limits.dailyUSD is 0.04 USD a day, of which")
        assert "begins anew at" in vote["error"]
    assert [len(stub.asked) for stub in home.stubs] == asked
    text = (await home.client.get("/metrics")).text
    assert 'fabula_gateway_limited_total{limit="limits.dailyUSD"} 1.0' in text


async def test_members_that_cost_nothing_go_on(home: House, tariff: FlatTariff) -> None:
    tariff.free = ("jester",)
    home.stubs[2].answer = "no"
    await configure(home, limits={"dailyUSD": "0"})
    told = await decided(home)
    assert (told["outcome"], told["decision"]) == ("BestMember", "no")
    tariff.free = ("chronicler", "oracle", "jester")
    assert (await decided(home))["outcome"] == "Vote"


async def test_a_price_that_nobody_knows_counts_only_under_a_cap(
    home: House, tariff: FlatTariff
) -> None:
    tariff.unknown = ("oracle",)
    assert all(vote.get("error") is None for vote in (await decided(home))["votes"])
    await configure(home, limits={"dailyUSD": "1"})
    told = await decided(home)
    errors = {vote["member"]: vote.get("error") for vote in told["votes"]}
    assert errors["chronicler"] is None
    assert "set price of member oracle in the ModelEnsemble" in errors["oracle"]


@pytest.mark.parametrize(
    ("changes", "binding"),
    [
        ({"limits": {"dailyUSD": "0.01"}, "budget": {"dailyUSD": "9"}}, "limits.dailyUSD"),
        ({"limits": {"dailyUSD": "9"}, "budget": {"dailyUSD": "0.01"}}, "budget.dailyUSD"),
        ({"budget": {"dailyUSD": "9", "monthlyUSD": "0.01"}}, "budget.monthlyUSD"),
    ],
)
async def test_the_smallest_cap_binds(home: House, changes: dict[str, Any], binding: str) -> None:
    await configure(home, **changes)
    told = await decided(home)
    assert told["outcome"] == "Fallback"
    assert f"Budget: {binding} is 0.01 USD" in told["votes"][0]["error"]


async def test_a_key_may_have_a_cap_of_its_own(home: House) -> None:
    poor = keep(home, "poor", "admin", dailyUSD="0.01")
    rich = keep(home, "rich", "admin")
    await closed(home, limits={"dailyUSD": "1"})
    told = (await ask(home, poor)).json()
    assert "dailyUSD of API key poor is 0.01 USD" in told["votes"][0]["error"]
    assert (await ask(home, rich)).json()["outcome"] == "Vote"
    text = (await home.client.get("/metrics")).text
    assert 'fabula_gateway_limited_total{limit="key.dailyUSD"} 1.0' in text


async def test_at_once_no_more_are_asked_than_there_is_money_for(
    home: House, tariff: FlatTariff
) -> None:
    tariff.cost = tariff.highest
    await configure(home, limits={"dailyUSD": "0.3"})
    sessions = [await home.session() for _ in range(30)]
    told = await asyncio.gather(*(home.decide(session, **ASK) for session in sessions))
    outcomes = [each["outcome"] for each in told]
    assert outcomes.count("Vote") == 10
    assert outcomes.count("Fallback") == 20


async def test_the_report_shows_what_is_known_in_steps(home: House, tariff: FlatTariff) -> None:
    tariff.cost = tariff.highest
    await configure(home, limits={"dailyUSD": "0.07"}, budget={"monthlyUSD": "100"})
    assert "limitUSD" not in (await home.client.get("/v1/status")).text
    await decided(home)
    await settled(home, 30_000)
    assert (await home.client.get("/v1/status")).json()["budgets"] == [
        {"name": "limits.dailyUSD", "limitUSD": "0.07", "usedPercent": 40},
        {"name": "budget.monthlyUSD", "limitUSD": "100.00", "usedPercent": 0},
    ]


async def test_what_was_spent_is_known_after_a_restart(home: House, tariff: FlatTariff) -> None:
    await configure(home, limits={"dailyUSD": "0.03"})
    tariff.cost = tariff.highest
    assert (await decided(home))["outcome"] == "Vote"
    folder = home.folder
    await home.gateway.guards.close()
    guards = type(home.gateway.guards)(
        lambda: home.gateway.following.config, folder / "data", home.gateway.metrics
    )
    home.gateway.guards = guards
    home.gateway.teller._guards = home.gateway.council._guards = guards
    assert (await decided(home))["outcome"] == "Fallback"
    await guards.close()


async def test_without_a_ledger_nothing_that_costs_is_asked(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await configure(home, limits={"dailyUSD": "1"})
    assert home.gateway.guards.caps(ANYONE)

    async def away(*_: object) -> None:
        raise LedgerAwayError("Redis cannot be used: no answer within 2 s")

    monkeypatch.setattr(home.gateway.guards._purse._ledger, "reserve", away)
    url = f"/v1/sessions/{await home.session()}/decisions"
    refused = await home.client.post(url, json=ASK)
    assert "Redis cannot be used" in assert_problem(refused, 503, "ledger-away")["detail"]
    assert refused.headers["retry-after"]
    assert not any(stub.asked for stub in home.stubs)


async def test_what_the_gateway_asks_for_itself_is_paid_too(
    home: House, tariff: FlatTariff
) -> None:
    await configure(home, limits={"dailyUSD": "0.015"})
    payer = Payer(home.gateway.guards, tariff)
    route = home.gateway.voices.seats[0].route
    async with payer.paying(route, QUESTION, 60):
        pass
    await settled(home, 10_000)
    with pytest.raises(BudgetExhaustedError):
        async with payer.paying(route, QUESTION, 60):
            raise AssertionError
    tariff.unknown = (route.member,)
    with pytest.raises(UnpricedError, match="set price of member chronicler"):
        async with payer.paying(route, QUESTION, 60):
            raise AssertionError


async def test_a_ruling_that_nobody_can_pay_costs_nothing_but_the_ruling(
    home: House, tariff: FlatTariff
) -> None:
    home.write_routes(method="Judge", judge="chronicler")
    for stub, answer in zip(home.stubs, ("It rains.", "It snows.", "It rains."), strict=True):
        stub.answer = answer
    await eventually(
        lambda: home.gateway.following.routes and home.gateway.following.routes.method == "Judge"
    )
    await configure(home, limits={"dailyUSD": "0.03"})
    tariff.cost = tariff.highest
    told = await home.decide(await home.session(), question="What is the weather?")
    assert told["outcome"] == "Vote"
    record = (await home.client.get(f"/v1/decisions/{told['id']}")).json()
    assert record["ruling"]["state"] == "Skipped"
    assert record["ruling"]["error"].startswith("Budget: limits.dailyUSD is 0.03 USD")


def priced(engine: str, model: str, price: Price | None = None) -> Route:
    return Route(
        member="oracle",
        revision="0000000a",
        weight=1,
        engine=engine,  # type: ignore[arg-type]
        model=model,
        timeout_seconds=5,
        price=price,
    )


def test_the_highest_price_is_a_bound_in_micro_dollars() -> None:
    declared = Price(input_per_million_usd="0", output_per_million_usd="10")
    assert ListPrices().most(priced("openai", "odd", declared), QUESTION) == 1000
    listed = ListPrices().most(priced("openai", "gpt-4.1"), QUESTION)
    assert listed is not None
    assert 800 < listed < 2000, "a hundred tokens of an answer at 8, and a short prompt at 2"


def test_pods_cost_nothing_unless_their_member_says_so() -> None:
    declared = Price(input_per_million_usd="0", output_per_million_usd="0.000001")
    assert ListPrices().most(priced("vllm", "odd"), QUESTION) == 0
    assert ListPrices().most(priced("vllm", "odd", declared), QUESTION) == 1, "rounded up"
    assert ListPrices().most(priced("openai", "odd"), QUESTION) is None


def test_what_the_record_says_is_what_was_spent() -> None:
    assert ListPrices().of(priced("openai", "odd"), "0.00125") == 1250
    assert ListPrices().of(priced("openai", "odd"), None) is None


async def test_a_declared_price_is_spent_as_the_engine_counts(tmp_path: Path) -> None:
    async with house(tmp_path, Stub()) as home:
        price = Price(input_per_million_usd="10", output_per_million_usd="100")
        route = home.gateway.voices.seats[0].route.model_copy(update={"price": price})
        home.write_routes(routes=[route], minimum_votes=1)
        await eventually(lambda: home.gateway.voices.seats[0].route.price == price)
        await configure(home, limits={"dailyUSD": "1"})
        told = await decided(home)
        record = (await home.client.get(f"/v1/decisions/{told['id']}")).json()
        assert record["candidates"][0]["costUsd"] == "0.0011"
        await settled(home, 40 * 10 + 7 * 100)
