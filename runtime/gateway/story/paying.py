"""Asking members within the caps: the highest price is set aside before, what it cost is counted
after, and a member whose price nobody can pay or knows is left out."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from crds.routes import Route
from runtime.audit import Candidate
from runtime.audit.record import CandidateState
from runtime.engines import Prompt, known
from runtime.gateway.guards import Guards
from runtime.limits.money import BudgetExhaustedError, LedgerAwayError, micros
from runtime.limits.purse import Spending
from runtime.limits.visits import Visit

if TYPE_CHECKING:
    from runtime.gateway.story.poll import Ask

#: Nano-dollars, in which engines reckon, of a micro-dollar.
_NANO = 1000
#: A reservation outlives what it is for by so many seconds.
MARGIN_SECONDS = 60.0
#: Failures before anything was generated cost nothing.
_FREE = frozenset({"Connect", "Status", "MissingKey", "NotReady", "NotOffered"})


class Tariff(Protocol):
    """What members cost, in micro-dollars. None: nobody knows."""

    def most(self, route: Route, prompt: Prompt) -> int | None:
        """The highest price that one question can have."""
        ...

    def of(self, route: Route, cost_usd: str | None) -> int | None:
        """What an answer cost, given what its record says."""
        ...


class ListPrices:
    """What routes and the list of models say. What runs in our own pods costs nothing a call,
    unless its member says so."""

    def most(self, route: Route, prompt: Prompt) -> int | None:
        """See Tariff."""
        price = known(route).price
        if price is None:
            return 0 if route.engine in ("llamacpp", "vllm") else None
        return -(-price.most(prompt) // _NANO)

    def of(self, route: Route, cost_usd: str | None) -> int | None:
        """See Tariff."""
        return None if cost_usd is None else micros(cost_usd)


class UnpricedError(Exception):
    """There is a cap, and nobody knows what this would cost."""

    def __init__(self, route: Route) -> None:
        super().__init__(
            f"the price of {route.model} is not known, and there is a cap; set price of member "
            f"{route.member} in the ModelEnsemble"
        )


#: Why nothing may be asked.
UNPAID = (UnpricedError, BudgetExhaustedError, LedgerAwayError)


@dataclass(frozen=True, slots=True)
class Payer:
    """In whose name members are asked, and what they cost. Without a visit it is the gateway that
    asks for its own ends, under the caps of World and Storyteller."""

    guards: Guards
    tariff: Tariff
    visit: Visit = field(default_factory=Visit)

    @property
    def is_capped(self) -> bool:
        """Whether money is counted at all."""
        return bool(self.guards.caps(self.visit.caller))

    @asynccontextmanager
    async def paying(self, route: Route, prompt: Prompt, seconds: float) -> AsyncIterator[Spending]:
        """One question to one member, of no vote. Until the body says what it cost, that is the
        most that it can.

        Raises:
            UnpricedError: there is a cap, and its price is not known.
            BudgetExhaustedError: there is no money for it.
            LedgerAwayError: nobody can say whether there is.
        """
        price = self.tariff.most(route, prompt)
        if price is None and self.is_capped:
            raise UnpricedError(route)
        lasts = seconds + MARGIN_SECONDS
        async with self.guards.spending(self.visit, price or 0, lasts) as spending:
            yield spending

    def settle(self, spending: Spending, route: Route, cost_usd: str | None) -> None:
        """Say what an answer cost, if anybody knows."""
        cost = self.tariff.of(route, cost_usd)
        if cost is not None:
            spending.cost = cost

    def charge(
        self,
        spending: Spending,
        route: Route,
        state: CandidateState,
        error: str | None,
        cost_usd: str | None,
    ) -> None:
        """Say what a request cost, by what became of it."""
        spending.cost = _cost(self.tariff, route, spending.most, state, error, cost_usd)


async def within_caps(
    payer: Payer,
    asks: "Sequence[Ask]",
    seconds: float,
    poll: "Callable[[Sequence[Ask]], Awaitable[list[Candidate]]]",
) -> list[Candidate]:
    """Poll members, for no more money than every cap has room for.

    Args:
        payer: who pays.
        asks: whom to ask what.
        seconds: how long the poll may take.
        poll: asks them; who is withheld is not asked.

    Raises:
        LedgerAwayError: nobody can say whether there is money; nobody was asked.
    """
    prices = [payer.tariff.most(ask.seat.route, ask.prompt) for ask in asks]
    if payer.is_capped:
        asks = [
            _withheld(ask, UnpricedError(ask.seat.route)) if price is None else ask
            for ask, price in zip(asks, prices, strict=True)
        ]
    most = sum(price or 0 for price in prices)
    try:
        async with payer.guards.spending(payer.visit, most, seconds + MARGIN_SECONDS) as spending:
            candidates = await poll(asks)
            spending.cost = sum(
                _share(payer.tariff, ask.seat.route, price or 0, candidate)
                for ask, price, candidate in zip(asks, prices, candidates, strict=True)
            )
            return candidates
    except BudgetExhaustedError as error:
        free = [
            _withheld(ask, error) if price else ask for ask, price in zip(asks, prices, strict=True)
        ]
    return await poll(free)


def _withheld(ask: "Ask", why: Exception) -> "Ask":
    return replace(ask, withheld=f"Budget: {why}")


def _share(tariff: Tariff, route: Route, most: int, candidate: Candidate) -> int:
    """What a member's part cost, but for a second request, which was paid for by itself."""
    first = candidate.tries[0] if candidate.tries else candidate
    return _cost(tariff, route, most, first.state, first.error, candidate.cost_usd)


def _cost(
    tariff: Tariff,
    route: Route,
    most: int,
    state: CandidateState,
    error: str | None,
    cost_usd: str | None,
) -> int:
    """What a request cost. One that was cut short costs the most that it could: what it had
    generated is paid for, and no provider says how much that was."""
    kind = (error or "").partition(":")[0]
    if state == "Skipped" or (state == "Failed" and kind in _FREE):
        return 0
    if state == "Answered":
        cost = tariff.of(route, cost_usd)
        return most if cost is None else cost
    return most
