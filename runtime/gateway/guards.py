"""Who calls, whether he may, how often, and for how much: what every interface of the gateway asks
before it does anything, by the configuration as it stands now."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import NoReturn

from crds.gateway import GatewayConfig
from crds.limits import Spend
from runtime.gateway.metrics import Metrics
from runtime.limits.gcra import Quota, Rate
from runtime.limits.keys import ANYONE, Caller, Scope
from runtime.limits.money import Balance, BudgetExhaustedError, Cap, Ledger, dollars, micros
from runtime.limits.purse import Purse, Spending, utc
from runtime.limits.rates import Counted, EmbeddedRates, Rates, microseconds
from runtime.limits.redis_ledger import RedisLedger
from runtime.limits.redis_rates import RedisRates, SharedRates
from runtime.limits.script import Client
from runtime.limits.sqlite_ledger import SqliteLedger
from runtime.limits.visits import PER_KEY, Keys, RateLimitedError, Visit, key_rate

_STEP_PERCENT = 5
_PER_PLAYER = "perPlayerPerMinute"


class NotConfiguredError(Exception):
    """The operator has not said yet who this gateway is."""


@dataclass(frozen=True, slots=True)
class _Held:
    """A refusal: by which rate, what was said of it, and when a request could pass again, in
    microseconds."""

    rate: Rate
    quota: Quota
    until: int


class Guards:
    """The guards of one gateway.

    Args:
        config: the configuration now.
        folder: where an embedded ledger lies.
        metrics: where refusals and money are counted.
        client: a Redis that all gateways share. None: what is counted is this gateway's own.
        now: the time.
    """

    def __init__(
        self,
        config: Callable[[], GatewayConfig | None],
        folder: Path,
        metrics: Metrics,
        *,
        client: Client | None = None,
        now: Callable[[], datetime] = utc,
    ) -> None:
        self._config = config
        self._metrics = metrics
        self._now = now
        own = EmbeddedRates()
        self._rates: Rates = own
        if client is None:
            ledger: Ledger = SqliteLedger(folder / "ledger.db")
        else:
            shared = RedisRates(client, self._scope)
            self._rates = SharedRates(shared, own, lambda: self._known().replicas)
            ledger = RedisLedger(client, self._scope)
        self._purse = Purse(ledger, watch=self._seen, now=now)
        self._keys = Keys()
        self._balances: dict[str, tuple[str, Balance]] = {}
        #: The last refusal of each API key.
        self._held: dict[str, _Held] = {}

    async def close(self) -> None:
        """Settle what is under way."""
        await self._purse.close()

    def visit(
        self, headers: Mapping[str, str], scope: Scope, *, instead: Scope | None = None
    ) -> Visit:
        """Who calls, if he may do this; ``instead`` is a scope that is as good here.

        Raises:
            NotConfiguredError: it is not known yet whether keys are asked for.
            UnauthenticatedError: there is no key, or none that is known.
            ForbiddenError: the key has not that scope.
        """
        return self._keys.visit(self._known().api_keys_dir, headers, scope, instead)

    def check(self, visit: Visit) -> None:
        """Refuse at once whom this gateway has refused, until one of his requests could pass: of
        what he asks meanwhile, no store hears.

        Raises:
            RateLimitedError: his key's limit is reached still.
        """
        for each in self._counted(visit.caller, None):
            held = self._held.get(each.key)
            if held is None or held.rate != each.rate:
                continue
            if (wait := held.until - microseconds()) > 0:
                self._refuse(replace(held.quota, wait=wait), visit)

    async def count(self, visit: Visit, player: str | None = None) -> None:
        """Count a request of the caller, and of a player where there is one.

        Raises:
            RateLimitedError: a limit is reached; the request is counted by none.
        """
        asked = list(self._counted(visit.caller, player))
        if not asked:
            return
        ruling = await self._rates.admit(asked)
        visit.quotas = ruling.quotas
        for each, quota in zip(asked, ruling.quotas, strict=True):
            if quota.wait > 0 and quota.rate.name == PER_KEY:
                self._held[each.key] = _Held(each.rate, quota, microseconds() + quota.wait)
        if ruling.refused_by is not None:
            self._refuse(ruling.refused_by, visit)

    def _refuse(self, refused: Quota, visit: Visit) -> NoReturn:
        self._metrics.limited.labels(refused.rate.name).inc()
        visit.quotas = visit.quotas or [refused]
        is_player = refused.rate.name == _PER_PLAYER
        subject = "each player" if is_player else visit.caller.described
        raise RateLimitedError(refused, subject, "spec.limits of the Storyteller")

    def caps(self, caller: Caller) -> list[Cap]:
        """The caps that money of this caller counts under."""
        config = self._known()
        storyteller = f"storyteller/{config.storyteller}"
        world = f"world/{config.world}"
        key, limits, budget = caller.daily_usd, config.limits, config.budget
        named = [
            (f"{storyteller}/key/{caller.key}", f"dailyUSD of API key {caller.key}", "Day", key),
            (storyteller, "limits.dailyUSD", "Day", limits.daily_usd),
            (f"{world}/day", "budget.dailyUSD", "Day", budget.daily_usd),
            (f"{world}/month", "budget.monthlyUSD", "Month", budget.monthly_usd),
        ]
        return [
            Cap(id, name, period, micros(usd))  # type: ignore[arg-type]
            for id, name, period, usd in named
            if usd is not None
        ]

    @asynccontextmanager
    async def spending(self, visit: Visit, most: int, seconds: float) -> AsyncIterator[Spending]:
        """Set ``most`` micro-dollars aside while the body runs; it says what it cost.

        Raises:
            BudgetExhaustedError: a cap has no room; the body does not run.
            LedgerAwayError: it cannot be told whether one has; the body does not run.
        """
        spending = None
        try:
            async with self._purse.spending(self.caps(visit.caller), most, seconds) as spending:
                yield spending
        except BudgetExhaustedError as error:
            if spending is None:
                self._metrics.limited.labels(_metric_name(error.cap)).inc()
            raise
        finally:
            if spending is not None:
                self._metrics.spent.inc(spending.cost / 1_000_000)

    @property
    def keys(self) -> int | None:
        """How many keys are usable. None: none are asked for."""
        config = self._config()
        keyring = self._keys.ring(config.api_keys_dir) if config else None
        return None if keyring is None else len(keyring)

    @property
    def key_faults(self) -> list[str]:
        """Items that are no keys, and why."""
        faults = sorted(self._keys.faults.items())
        return [f"{name[:40]!r} {why}"[:200] for name, why in faults][:8]

    @property
    def budgets(self) -> list[Spend]:
        """How much of each cap is used up, of those that are known; keys' own left out."""
        if self._config() is None:
            return []
        return [
            Spend(
                name=cap.name,
                limit_usd=dollars(cap.limit),
                used_percent=_percent(self._balances[cap.id][1], cap.limit),
            )
            for cap in self.caps(ANYONE)
            if self._balances.get(cap.id, ("", 0))[0] == cap.window(self._now())
        ]

    def _known(self) -> GatewayConfig:
        config = self._config()
        if config is None:
            raise NotConfiguredError
        return config

    def _scope(self) -> str:
        """What shares rates and money: a World's gateways, or else a Storyteller's."""
        config = self._known()
        return f"{config.namespace}/{config.world or config.storyteller}"

    def _counted(self, caller: Caller, player: str | None) -> Sequence[Counted]:
        config = self._known()
        limits, storyteller = config.limits, config.storyteller
        counted = []
        if player is not None and limits.per_player_per_minute is not None:
            rate = Rate(_PER_PLAYER, limits.per_player_per_minute)
            counted.append(Counted(rate, f"player:{storyteller}:{player}"))
        per_key = key_rate(limits.per_key_per_minute, caller)
        if per_key is not None:
            counted.append(Counted(per_key, f"key:{storyteller}:{caller.key or ''}"))
        return counted

    def _seen(self, cap: Cap, balance: Balance, at: datetime) -> None:
        self._balances[cap.id] = cap.window(at), balance


def _percent(balance: Balance, limit: int) -> int:
    """In steps, so that a status does not change with every decision."""
    if not limit:
        return 100
    percent = min(100, 100 * (balance.spent + balance.reserved) // limit)
    return percent - percent % _STEP_PERCENT


def _metric_name(cap: Cap) -> str:
    """One name for all keys, so that there are no more series than fields."""
    return "key.dailyUSD" if "/key/" in cap.id else cap.name
