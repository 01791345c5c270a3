"""Every interleaving that hypothesis finds, on both homes, beside a model in plain Python."""

import asyncio
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from runtime.limits.money import Balance, BudgetExhaustedError, Cap, Ledger, Reservation
from runtime.limits.sqlite_ledger import SqliteLedger

START = datetime(2026, 11, 30, 12, tzinfo=UTC)
CAPS = (
    Cap("key/game", "dailyUSD of key game", "Day", 40),
    Cap("storyteller/bard", "spec.limits.dailyUSD", "Day", 100),
    Cap("world/emberfall", "spec.budget.monthlyUSD", "Month", 150),
)
LASTS = 60
TESTED = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@dataclass
class Held:
    """A reservation that somebody has, as the model sees it."""

    reservation: Reservation
    until: datetime


class Caps(RuleBasedStateMachine):
    """Gateways that reserve, settle, forget and die, and the time that passes."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.now = START
        self.held: list[Held] = []
        #: What the model says is spent, by cap and window.
        self.spent: dict[tuple[str, str], int] = {}
        self.accounts: set[tuple[Cap, str]] = set()
        self.ledger = self.opened()

    def opened(self) -> Ledger:
        raise NotImplementedError

    def expire(self, held: Held) -> None:
        """Its time is over; the ledger need not have noticed yet."""

    def balance(self, cap: Cap, window: str) -> Balance:
        raise NotImplementedError

    def reserved(self, account: tuple[str, str]) -> int:
        return sum(
            held.reservation.amount for held in self.held if account in held.reservation.accounts
        )

    def spend(self, reservation: Reservation, amount: int) -> None:
        for account in reservation.accounts:
            self.spent[account] = self.spent.get(account, 0) + amount

    @rule(amount=st.integers(1, 60), which=st.sets(st.sampled_from(CAPS), min_size=1))
    def reserve(self, amount: int, which: set[Cap]) -> None:
        caps = tuple(cap for cap in CAPS if cap in which)
        asked = Reservation(caps, amount, self.now, LASTS)
        room = all(
            self.spent.get(account, 0) + self.reserved(account) + amount <= cap.limit
            for cap, account in zip(caps, asked.accounts, strict=True)
        )
        self.accounts |= {
            (cap, window) for cap, (_, window) in zip(caps, asked.accounts, strict=True)
        }
        try:
            self.runner.run(self.ledger.reserve(asked))
        except BudgetExhaustedError:
            assert not room
        else:
            assert room
            self.held.append(Held(asked, self.now + timedelta(seconds=LASTS)))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), twice=st.booleans())
    def settle(self, data: st.DataObject, twice: bool) -> None:
        held = data.draw(st.sampled_from(self.held))
        cost = data.draw(st.integers(0, held.reservation.amount))
        for _ in range(1 + twice):
            self.runner.run(self.ledger.settle(held.reservation, cost))
        self.held.remove(held)
        self.spend(held.reservation, cost)

    @rule(seconds=st.sampled_from([1, 30, 61, 43_200]))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        for held in [held for held in self.held if held.until <= self.now]:
            self.held.remove(held)
            self.spend(held.reservation, held.reservation.amount)
            self.expire(held)
        # Anybody's next question lets the ledger notice.
        for cap, window in self.accounts:
            at = datetime.fromisoformat(window if cap.period == "Day" else f"{window}-01")
            probe = Reservation((cap,), 10**9, at.replace(tzinfo=UTC), LASTS)
            with pytest.raises(BudgetExhaustedError):
                self.runner.run(self.ledger.reserve(probe))

    @invariant()
    def no_cap_is_passed_and_no_money_is_lost(self) -> None:
        for cap, window in self.accounts:
            found = self.balance(cap, window)
            assert found.spent + found.reserved <= cap.limit
            account = (cap.id, window)
            assert found.spent + found.reserved == self.spent.get(account, 0) + self.reserved(
                account
            )

    def teardown(self) -> None:
        self.runner.run(self.ledger.close())
        self.runner.close()


class SqliteCaps(Caps):
    """One gateway on its volume."""

    def opened(self) -> Ledger:
        if not hasattr(self, "folder"):
            self.folder = Path(tempfile.mkdtemp())
        return SqliteLedger(self.folder / "ledger.db", clock=lambda: self.now.timestamp())

    @rule()
    def die(self) -> None:
        """What is held is lost with the process; the next one opens the same file."""
        self.runner.run(self.ledger.close())
        self.ledger = self.opened()
        for held in self.held:
            self.spend(held.reservation, held.reservation.amount)
        self.held.clear()

    def balance(self, cap: Cap, window: str) -> Balance:
        assert isinstance(self.ledger, SqliteLedger)
        row = self.ledger._db.execute(
            "SELECT spent, reserved FROM balances WHERE cap = ? AND period = ?", (cap.id, window)
        ).fetchone()
        return Balance(*(row or ()))

    def teardown(self) -> None:
        super().teardown()
        shutil.rmtree(self.folder)


def test_no_interleaving_passes_a_cap_in_sqlite() -> None:
    run_state_machine_as_test(SqliteCaps, settings=TESTED)
