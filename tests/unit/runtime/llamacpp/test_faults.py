"""Faults on purpose: as many as asked for, and the same ones each time."""

from collections import Counter

from runtime.llamacpp.faults import Fault, FaultPlan, noise
from runtime.llamacpp.options import Faults


def drawn(faults: Faults, requests: int = 2000) -> list[Fault]:
    plan = FaultPlan(faults)
    return [plan.next() for _ in range(requests)]


def test_without_switches_nothing_goes_wrong() -> None:
    assert set(drawn(Faults())) == {Fault.NONE}


def test_the_rates_are_met() -> None:
    count = Counter(drawn(Faults(empty_rate=0.1, garbage_rate=0.2)))
    assert 150 < count[Fault.EMPTY] < 250
    assert 330 < count[Fault.GARBAGE] < 470


def test_a_rate_of_one_meets_every_request() -> None:
    assert set(drawn(Faults(empty_rate=1.0))) == {Fault.EMPTY}
    assert set(drawn(Faults(empty_rate=0.5, garbage_rate=0.5))) == {Fault.EMPTY, Fault.GARBAGE}


def test_a_seed_repeats_its_faults_and_another_has_others() -> None:
    assert drawn(Faults(seed=1, empty_rate=0.3)) == drawn(Faults(seed=1, empty_rate=0.3))
    assert drawn(Faults(seed=1, empty_rate=0.3)) != drawn(Faults(seed=2, empty_rate=0.3))


def test_adding_a_fault_moves_no_other() -> None:
    alone = drawn(Faults(empty_rate=0.3))
    both = drawn(Faults(empty_rate=0.3, garbage_rate=0.3))
    assert [fault is Fault.EMPTY for fault in alone] == [fault is Fault.EMPTY for fault in both]


def test_a_hang_begins_after_its_number_and_does_not_end() -> None:
    assert drawn(Faults(hang_after=2), 4) == [Fault.NONE, Fault.NONE, Fault.HANG, Fault.HANG]


def test_rates_hold_after_a_number_and_meet_the_same_requests_then() -> None:
    late, always = drawn(Faults(empty_rate=0.3, after=100)), drawn(Faults(empty_rate=0.3))
    assert set(late[:100]) == {Fault.NONE}
    assert late[100:] == always[100:]


def test_noise_repeats_and_is_nothing_that_parses() -> None:
    assert noise(1, 5) == noise(1, 5) != noise(1, 6)
    assert not any(character in "{}[]\"'" for character in "".join(noise(1, 5)))
