"""What is known of a member's model without asking it: its price, how much it can be told, what it
offers. The knowledge is in ``models.toml``; what a route says comes before it.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from crds.routes import Route
from runtime.engines.base import Usage
from runtime.engines.money import Price, usd


@dataclass(frozen=True, slots=True)
class Known:
    """One model. None: not known, which is not the same as nothing."""

    price: Price | None = None
    #: Tokens of prompt and answer together, as far as the price holds.
    context_tokens: int | None = None
    #: Whether it tells the probabilities of its tokens.
    logprobs: bool = False

    def cost_usd(self, usage: Usage) -> str | None:
        """What a call cost in US dollars, a decimal number rounded up; None: nobody knows."""
        cost = None if self.price is None else self.price.of(usage)
        return None if cost is None else usd(cost)


def known(route: Route) -> Known:
    """What is known of the model behind a route."""
    listed = _listed(route.engine, route.model)
    return Known(
        listed.price if route.price is None else Price.declared(route.price),
        route.context_tokens or listed.context_tokens,
        listed.logprobs,
    )


@cache
def _listed(engine: str, model: str) -> Known:
    """By the longest name in the list that the model's name is, or goes on from with a dash."""
    names = [
        name for name in _models().get(engine, {}) if model == name or model.startswith(f"{name}-")
    ]
    if not names:
        return Known()
    entry: dict[str, Any] = _models()[engine][max(names, key=len)]
    price = Price.per_million(
        entry["input"], entry["output"], cached=entry["cached"], write=entry.get("write")
    )
    return Known(price, entry["context"], entry.get("logprobs", False))


@cache
def _models() -> dict[str, dict[str, Any]]:
    text = files("runtime.engines").joinpath("models.toml").read_text()
    return {key: table for key, table in tomllib.loads(text).items() if isinstance(table, dict)}
