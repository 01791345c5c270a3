"""Money that all gateways share, in Redis."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from runtime.limits.money import Balance, BudgetExhaustedError, LedgerAwayError, Reservation
from runtime.limits.script import Client, RedisAwayError, Script

#: Money is asked for once a decision, and a wrong no is dear: more patience than with rates.
TIMEOUT_SECONDS = 2.0
#: A window is kept for longer than it lasts, in seconds.
_KEPT = {"Day": 3 * 86_400, "Month": 40 * 86_400}
#: Accounts whose spent money a gateway remembers.
_REMEMBERED = 1024


class RedisLedger:
    """See Ledger.

    Money that is spent is never unspent, so each gateway remembers the most it has seen and says so
    with each reservation: a Redis that comes back empty is told, by the first one that asks.

    Args:
        client: the Redis.
        scope: what shares the caps, such as ``namespace/world``. It is the hash tag of every key.
        timeout: seconds for one answer.
    """

    def __init__(
        self, client: Client, scope: Callable[[], str], *, timeout: float = TIMEOUT_SECONDS
    ) -> None:
        self._reserve = Script(client, "reserve.lua")
        self._settle = Script(client, "settle.lua")
        self._scope = scope
        self._timeout = timeout
        self._spent: OrderedDict[tuple[str, str], int] = OrderedDict()

    async def reserve(self, reservation: Reservation) -> Sequence[Balance]:
        """See Ledger."""
        values: list[str | int] = [reservation.id, reservation.amount, reservation.lasts * 1000]
        for cap, account in zip(reservation.caps, reservation.accounts, strict=True):
            values += [cap.limit, self._spent.get(account, 0), _KEPT[cap.period]]
        refused, *told = await self._ask(self._reserve, reservation, values)
        balances = self._balances(reservation, told)
        if refused:
            cap, balance = reservation.caps[refused - 1], balances[refused - 1]
            raise BudgetExhaustedError(cap, balance, reservation.amount, reservation.at)
        return balances

    async def settle(self, reservation: Reservation, spent: int) -> Sequence[Balance]:
        """See Ledger."""
        member = f"{reservation.id}:{reservation.amount}"
        values: list[str | int] = [member, reservation.amount, spent]
        return self._balances(reservation, await self._ask(self._settle, reservation, values))

    async def close(self) -> None:
        """See Ledger. The client is its owner's."""

    async def _ask(
        self, script: Script, reservation: Reservation, values: Sequence[str | int]
    ) -> Any:
        keys = []
        for cap, window in reservation.accounts:
            balance = f"fabula:{{{self._scope()}}}:money:{cap}:{window}"
            keys += [balance, f"{balance}:held"]
        try:
            return await script(keys, values, patience=self._timeout)
        except RedisAwayError as error:
            raise LedgerAwayError(f"Redis cannot be used: {error}") from error

    def _balances(self, reservation: Reservation, told: Sequence[int]) -> list[Balance]:
        balances = [Balance(*told[at : at + 2]) for at in range(0, len(told), 2)]
        for account, balance in zip(reservation.accounts, balances, strict=True):
            self._spent[account] = max(balance.spent, self._spent.pop(account, 0))
            if len(self._spent) > _REMEMBERED:
                self._spent.popitem(last=False)
        return balances
