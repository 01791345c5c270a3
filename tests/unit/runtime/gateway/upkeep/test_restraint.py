"""What is destroyed because it is old waits where the clock is in doubt."""

from dataclasses import dataclass

import pytest

from runtime.gateway.upkeep.restraint import HOLD_SECONDS, JUMP_SECONDS, Restraint

DAY = HOLD_SECONDS


@dataclass
class Clocks:
    """The time on the wall, and one that nobody can set."""

    wall: float = 1e9
    steady: float = 50.0

    def go_on(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def restraint(clocks: Clocks) -> Restraint:
    return Restraint("sessions", wall=lambda: clocks.wall, steady=lambda: clocks.steady)


def test_what_is_old_goes_while_the_clock_goes_as_it_should(
    clocks: Clocks, restraint: Restraint
) -> None:
    for _ in range(5):
        assert restraint.allows(40, 100)
        clocks.go_on(1e6)


def test_after_a_jump_nothing_goes_for_a_day(clocks: Clocks, restraint: Restraint) -> None:
    clocks.wall += JUMP_SECONDS + 1
    assert not restraint.allows(1, 100)
    clocks.go_on(DAY - 1)
    assert not restraint.allows(1, 100)
    clocks.go_on(1)
    assert restraint.allows(1, 100)
    clocks.go_on(600)
    assert restraint.allows(1, 100)


def test_a_jump_that_is_set_right_holds_nothing_up(clocks: Clocks, restraint: Restraint) -> None:
    clocks.wall += 1e7
    assert not restraint.allows(100, 100)
    clocks.wall -= 1e7
    assert restraint.allows(1, 100)


def test_a_second_jump_starts_a_day_of_its_own(clocks: Clocks, restraint: Restraint) -> None:
    clocks.wall += 1e7
    assert not restraint.allows(1, 100)
    clocks.go_on(DAY)
    assert restraint.allows(1, 100)
    assert restraint.allows(1, 100)
    clocks.wall += 1e7
    assert not restraint.allows(1, 100)


def test_most_of_all_goes_a_day_late(
    clocks: Clocks, restraint: Restraint, capfd: pytest.CaptureFixture[str]
) -> None:
    """As after a start under a wrong clock, when there is nothing to compare it with."""
    for _ in range(3):
        assert not restraint.allows(51, 100)
    clocks.go_on(DAY)
    assert restraint.allows(51, 100)
    assert restraint.allows(0, 49)
    assert not restraint.allows(49, 49), "the next time is another matter"
    assert capfd.readouterr().out.count("removal_waits") == 2


def test_where_there_is_nothing_nothing_is_held(restraint: Restraint) -> None:
    assert restraint.allows(0, 0)
