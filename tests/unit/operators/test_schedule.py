"""When an object is looked at next."""

import pytest

from operators.schedule import FLOOR, RETRY_CAP, Schedule
from tests.unit.operators.fakes import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def schedule(clock: Clock) -> Schedule[str]:
    return Schedule(clock, rng=lambda: 1.0)


def test_nothing_is_due_before_its_time(schedule: Schedule[str], clock: Clock) -> None:
    schedule.add("a", 5)
    assert schedule.take() is None
    assert schedule.next_due() == 5
    clock.now += 5
    assert schedule.take() == "a"
    assert schedule.next_due() is None


def test_many_events_make_one_look(schedule: Schedule[str]) -> None:
    for _ in range(100):
        schedule.add("a")
    assert schedule.take() == "a"
    schedule.done("a")
    assert schedule.take() is None


def test_sooner_wins_over_later_and_later_does_not_delay(
    schedule: Schedule[str], clock: Clock
) -> None:
    schedule.add("a", 10)
    schedule.add("a", 2)
    schedule.add("a", 30)
    clock.now += 2
    assert schedule.take() == "a"
    schedule.done("a")
    clock.now += 100
    assert schedule.take() is None


def test_an_object_is_never_looked_at_twice_at_once(schedule: Schedule[str], clock: Clock) -> None:
    schedule.add("a")
    assert schedule.take() == "a"
    schedule.add("a")
    schedule.add("b")
    assert schedule.take() == "b"
    assert schedule.take() is None
    schedule.done("a")
    assert schedule.take() == "a"


def test_the_planned_look_and_an_event_meanwhile_both_count(
    schedule: Schedule[str], clock: Clock
) -> None:
    schedule.add("a")
    schedule.take()
    schedule.add("a", 1)
    schedule.done("a", after=20)
    clock.now += 1
    assert schedule.take() == "a"


def test_failures_wait_longer_each_time_up_to_a_cap(schedule: Schedule[str], clock: Clock) -> None:
    waits = []
    schedule.add("a")
    for _ in range(12):
        clock.now += RETRY_CAP
        assert schedule.take() == "a"
        waits.append(schedule.failed("a"))
    assert waits[:4] == [0.5, 1.0, 2.0, 4.0]
    assert waits[-1] == RETRY_CAP


def test_success_forgets_failures(schedule: Schedule[str], clock: Clock) -> None:
    schedule.add("a")
    schedule.take()
    schedule.failed("a")
    clock.now += 1
    schedule.take()
    schedule.done("a", 0)
    assert schedule.take() == "a"
    assert schedule.failed("a") == 0.5


def test_events_bring_a_failing_object_forward_but_not_into_a_storm(
    schedule: Schedule[str], clock: Clock
) -> None:
    schedule.add("a")
    for _ in range(6):
        clock.now += RETRY_CAP
        schedule.take()
        schedule.failed("a")
    schedule.add("a")
    assert schedule.take() is None
    clock.now += FLOOR
    assert schedule.take() == "a"


def test_depth_and_age_show_a_backlog(schedule: Schedule[str], clock: Clock) -> None:
    schedule.add("a")
    schedule.add("b")
    schedule.add("later", 60)
    schedule.take()
    clock.now += 3
    assert (schedule.depth, schedule.oldest, schedule.longest_run) == (2, 3, 3)
    schedule.done("a")
    assert (schedule.depth, schedule.longest_run) == (1, 0)
