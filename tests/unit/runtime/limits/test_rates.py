"""How often: the law of the algorithm, the bound on memory, and that every home says the same."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.limits.gcra import MINUTE, Rate, Ruling, rule
from runtime.limits.rates import Counted, EmbeddedRates
from runtime.limits.redis_rates import RedisRates, SharedRates
from runtime.limits.script import RedisAwayError

PLAYER = Rate("perPlayerPerMinute", 3)
KEY = Rate("perKeyPerMinute", 5)


class Clock:
    """A time that a test sets."""

    def __init__(self) -> None:
        self.now = 1_000_000_000

    def __call__(self) -> int:
        return self.now


@given(
    st.integers(1, 1000),
    st.lists(st.integers(0, 2 * MINUTE), min_size=1, max_size=200),
)
def test_no_span_of_time_lets_more_through_than_the_rate_and_one_burst(
    per_minute: int, pauses: list[int]
) -> None:
    rate, now, arrival = Rate("x", per_minute), 0, 0
    passed: list[int] = []
    for pause in pauses:
        now += pause
        quota, after = rule(rate, arrival, now)
        if quota.wait == 0:
            arrival = after
            passed.append(now)
    for first, start in enumerate(passed):
        for last in range(first, len(passed)):
            span = passed[last] - start
            assert last - first + 1 <= per_minute * (1 + span / MINUTE)


@given(st.integers(1, 1000), st.integers(0, 3 * MINUTE), st.integers(0, MINUTE))
def test_who_waits_as_told_passes_and_not_a_microsecond_before(
    per_minute: int, ahead: int, now: int
) -> None:
    rate = Rate("x", per_minute)
    arrival = min(now + ahead, now + rate.tolerance)
    quota, _ = rule(rate, arrival, now)
    if quota.wait:
        assert rule(rate, arrival, now + quota.wait)[0].wait == 0
        assert rule(rate, arrival, now + quota.wait - 1)[0].wait == 1
    else:
        assert quota.remaining >= 0


def test_the_quota_counts_down_and_comes_back() -> None:
    arrival, seen = 0, []
    for _ in range(4):
        quota, arrival = rule(PLAYER, arrival, 0)
        seen.append((quota.remaining, quota.wait, quota.reset))
    third = MINUTE // 3
    assert seen == [(2, 0, third), (1, 0, 2 * third), (0, 0, MINUTE), (0, third, MINUTE)]


def counted(rate: Rate, subject: str) -> list[Counted]:
    return [Counted(rate, subject)]


async def passes(rates: EmbeddedRates | RedisRates | SharedRates, asked: Sequence[Counted]) -> bool:
    return (await rates.admit(asked)).refused_by is None


async def test_who_is_refused_by_one_limit_uses_up_no_other() -> None:
    rates = EmbeddedRates(clock=Clock())
    both = [Counted(PLAYER, "mara"), Counted(KEY, "game")]
    assert [await passes(rates, both) for _ in range(4)] == [True, True, True, False]
    refused = (await rates.admit(both)).refused_by
    assert refused is not None
    assert refused.rate == PLAYER
    assert [await passes(rates, counted(KEY, "game")) for _ in range(3)] == [True, True, False]


async def test_when_there_is_no_room_nobody_is_forgiven_and_newcomers_share() -> None:
    clock = Clock()
    rates = EmbeddedRates(clock=clock, subjects=2, shared=1)
    for subject in ("a", "b"):
        for _ in range(3):
            assert await passes(rates, counted(PLAYER, subject))
    assert [await passes(rates, counted(PLAYER, who)) for who in "cdef"] == [True] * 3 + [False]
    assert not any([await passes(rates, counted(PLAYER, who)) for who in "abcdef"])
    assert len(rates) == 2
    clock.now += MINUTE
    assert all([await passes(rates, counted(PLAYER, who)) for who in "cab"])
    assert len(rates) == 2


class Away:
    """A Redis that is away until told."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = RedisAwayError("refused")

    async def admit(self, asked: Sequence[Counted]) -> Ruling:
        self.asked += 1
        if self.error:
            raise self.error
        return Ruling([rule(each.rate, 0, 1)[0] for each in asked])


async def test_while_redis_is_away_each_gateway_holds_its_part() -> None:
    clock, away = Clock(), Away()
    rates = SharedRates(away, EmbeddedRates(clock=clock), lambda: 2, clock=clock)
    rate = Rate("perKeyPerMinute", 5)
    assert [await passes(rates, counted(rate, "game")) for _ in range(3)] == [True, True, False]
    assert rates.away
    assert away.asked == 1, "it rests for a second instead of waiting for every request"
    away.error = None
    clock.now += 1_300_000
    assert await passes(rates, counted(rate, "game"))
    assert not rates.away


@pytest.mark.parametrize("replicas", [0, 1, 3, 100])
def test_a_part_is_never_nothing(replicas: int) -> None:
    assert 1 <= PLAYER.shared_by(replicas).per_minute <= PLAYER.per_minute
