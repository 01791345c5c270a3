"""For how much: caps in whole micro-dollars, reserved before and settled after.

The law: of each cap and window, spent + reserved is never more than the limit, as long as nothing
costs more than was reserved for it. What cannot be told counts as spent, never as free.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol

MICROS = 1_000_000
Period = Literal["Day", "Month"]


@dataclass(frozen=True, slots=True)
class Cap:
    """So much money a day or a calendar month, in UTC.

    Args:
        id: what shares it, such as ``storyteller/bard``.
        name: the field that sets it and where that stands, for people.
        period: when it begins anew.
        limit: micro-dollars.
    """

    id: str
    name: str
    period: Period
    limit: int

    def window(self, now: datetime) -> str:
        """The day or month that money of now belongs to."""
        return now.astimezone(UTC).isoformat()[: 10 if self.period == "Day" else 7]

    def ends(self, now: datetime) -> datetime:
        """When the next window begins."""
        today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        if self.period == "Day":
            return today + timedelta(days=1)
        return (today.replace(day=1) + timedelta(days=32)).replace(day=1)


@dataclass(frozen=True, slots=True)
class Balance:
    """What is gone of a cap in one window, micro-dollars."""

    spent: int = 0
    reserved: int = 0

    def fits(self, amount: int, limit: int) -> bool:
        """Whether so much more may be reserved."""
        return self.spent + self.reserved + amount <= limit


@dataclass(frozen=True, slots=True)
class Reservation:
    """Money set aside for one decision under several caps, in the windows of when it was asked.

    Named by who asks, so that it can be given back also when the answer was lost.
    """

    caps: tuple[Cap, ...]
    amount: int
    at: datetime
    #: Seconds after which it counts as spent: whoever held it is gone.
    lasts: int
    id: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def accounts(self) -> tuple[tuple[str, str], ...]:
        """Cap and window of each."""
        return tuple((cap.id, cap.window(self.at)) for cap in self.caps)


class BudgetExhaustedError(Exception):
    """A cap has no room for the highest price of a decision."""

    def __init__(self, cap: Cap, balance: Balance, amount: int, now: datetime) -> None:
        self.cap = cap
        self.frees_at = cap.ends(now)
        free = max(0, cap.limit - balance.spent - balance.reserved)
        super().__init__(
            f"{cap.name} is {dollars(cap.limit)} USD a {cap.period.lower()}, of which "
            f"{dollars(free)} is left, and this may cost {dollars(amount)}; it begins anew at "
            f"{self.frees_at:%Y-%m-%dT%H:%MZ}, or raise it"
        )


class LedgerAwayError(Exception):
    """Nobody can say now whether there is money."""


class Ledger(Protocol):
    """Where money is counted."""

    async def reserve(self, reservation: Reservation) -> Sequence[Balance]:
        """Set the amount aside under every cap, or under none; gives what is then gone of each.

        Raises:
            BudgetExhaustedError: a cap has no room.
            LedgerAwayError: it cannot be told. The money may be set aside.
        """
        ...

    async def settle(self, reservation: Reservation, spent: int) -> Sequence[Balance]:
        """Turn a reservation into what was spent. Once: a second time changes nothing.

        Raises:
            LedgerAwayError: it cannot be told. The reservation may stand until it expires.
        """
        ...

    async def close(self) -> None:
        """Let go of everything."""
        ...


def micros(dollars: str) -> int:
    """Micro-dollars of a decimal string with up to six places."""
    whole, _, part = dollars.partition(".")
    return int(whole) * MICROS + int(part.ljust(6, "0")[:6] or "0")


def dollars(amount: int) -> str:
    """Micro-dollars for people: two places, or as many as it takes."""
    whole, part = divmod(amount, MICROS)
    return f"{whole}.{f'{part:06d}'.rstrip('0').ljust(2, '0')}"
