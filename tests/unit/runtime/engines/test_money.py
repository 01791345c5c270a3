"""What calls cost: never less than they do, and nothing where nobody knows."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crds.engines import EngineKind
from crds.ensemble import Sampling
from crds.routes import Route
from runtime.engines import Price, Prompt, Usage, known, usd
from runtime.engines.catalogue import _models

PRICE = Price.per_million("2.5", "10", cached="0.25")
TOKENS = st.integers(0, 10**7)
PRICES = st.decimals(0, 1000, places=6).map(str)


def route(engine: EngineKind, model: str, **more: object) -> Route:
    return Route.model_validate(
        {
            "member": "oracle", "revision": "0000000a", "weight": 1, "engine": engine,
            "model": model, "timeoutSeconds": 5, **more,
        }
    )  # fmt: skip


def test_a_million_tokens_cost_what_the_list_says() -> None:
    assert PRICE.of(Usage(prompt=10**6, completion=0)) == 2_500_000_000
    assert PRICE.of(Usage(prompt=10**6, completion=10**6, cached=10**6)) == 10_250_000_000
    dear = Price.per_million("4", "20", cached="0.4", write="5")
    assert dear.of(Usage(prompt=10**6, completion=0, written=10**6)) == 5_000_000_000


@given(PRICES, PRICES, TOKENS, TOKENS)
def test_an_amount_is_exact_up_to_one_nano_dollar(
    input: str, output: str, told: int, said: int
) -> None:
    amount = Price.per_million(input, output).of(Usage(told, said))
    assert amount is not None
    exact = (Decimal(input) * told + Decimal(output) * said) * 1000
    assert exact <= amount < exact + 1


@given(
    st.text(max_size=200),
    st.integers(1, 1000),
    st.tuples(*[st.floats(0, 1)] * 4),
    st.sampled_from([None, "0.1", "5"]),
)
def test_no_call_costs_more_than_was_set_aside_for_it(
    text: str, limit: int, shares: tuple[float, ...], write: str | None
) -> None:
    price = Price.per_million("2.5", "10", cached="0.25", write=write)
    prompt = Prompt.of("", text, Sampling(max_tokens=limit))
    told = int(prompt.most_tokens * shares[0])
    cached = int(told * shares[1])
    usage = Usage(told, int(limit * shares[2]), cached, int((told - cached) * shares[3]))
    assert (price.of(usage) or 0) <= price.most(prompt)


def test_what_was_not_counted_has_no_price() -> None:
    assert PRICE.of(Usage()) is None
    assert PRICE.of(Usage(prompt=1)) is None


@pytest.mark.parametrize(
    ("nano", "text"),
    [(0, "0"), (1, "0.000001"), (1000, "0.000001"), (1001, "0.000002"), (2_500_000_000, "2.5"),
     (10_000_000_000, "10")],
)  # fmt: skip
def test_an_amount_is_written_in_dollars_rounded_up(nano: int, text: str) -> None:
    assert usd(nano) == text


@pytest.mark.parametrize(
    ("model", "context"),
    [("gpt-4o", 128_000), ("gpt-4o-2024-11-20", 128_000), ("gpt-4o-mini-2024-07-18", 128_000),
     ("gpt-5.4-mini", 272_000)],
)  # fmt: skip
def test_a_dated_name_is_the_model_that_it_dates(model: str, context: int) -> None:
    found = known(route("openai", model))
    assert found.context_tokens == context
    assert found.price is not None


def test_the_longest_name_in_the_list_counts() -> None:
    small, large = (known(route("openai", name)).price for name in ("gpt-5-mini-x", "gpt-5-x"))
    assert small is not None
    assert large is not None
    assert small.output < large.output


@pytest.mark.parametrize("model", ["gpt-5.9", "gpt-4oo", "my-own"])
def test_an_unlisted_model_has_an_unknown_price_and_not_none(model: str) -> None:
    assert known(route("openai", model)).price is None
    assert known(route("llamacpp", "gpt-4o")).price is None


def test_what_the_spec_says_comes_first() -> None:
    price = {"inputPerMillionUSD": "1", "outputPerMillionUSD": "2"}
    found = known(route("openai", "gpt-4o", price=price, contextTokens=4096))
    assert found.price == Price.per_million("1", "2")
    assert found.context_tokens == 4096
    assert known(route("vllm", "large", price=price)).price == Price.per_million("1", "2")


@pytest.mark.parametrize("engine", ["openai", "anthropic", "google"])
def test_the_whole_list_can_be_read(engine: EngineKind) -> None:
    assert _models()[engine]
    for name in _models()[engine]:
        found = known(route(engine, name))
        assert found.price is not None
        assert 0 < found.price.cached <= found.price.input <= found.price.output
        assert (found.context_tokens or 0) >= 16_000
