"""Arms: the right shares, for newcomers only, and nobody is always the guinea pig."""

from collections import Counter
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crds.routes import RouteTable, Served, Shadowing, Split
from runtime.gateway.story.arms import arm_of, assigned, in_canary, recorded

SESSIONS = 100_000
WAY = Served(revision="0000000b", engine="llamacpp", model="small", url="http://b")


def split(percent: int, salt: str = "s1") -> Split:
    return Split(salt=salt, member="oracle", percent=percent, canary=[WAY])


def table(tried: Split | None) -> RouteTable:
    return RouteTable(
        ensemble="narrators",
        generation=1,
        timeout_seconds=5,
        minimum_votes=1,
        when_no_quorum="BestMember",
        routes=[],
        split=tried,
    )


@pytest.mark.parametrize("percent", [1, 5, 10, 20, 33, 50])
def test_shares_are_within_four_standard_errors(percent: int) -> None:
    counts: Counter[str] = Counter(
        arm_of(f"s-{number:024x}", split(percent)) for number in range(SESSIONS)
    )
    share = percent / 100
    for arm, expected in (("Canary", share), ("Baseline", share), ("Rest", 1 - 2 * share)):
        error = sqrt(expected * (1 - expected) / SESSIONS)
        assert abs(counts[arm] / SESSIONS - expected) <= 4 * error, (arm, counts)


@given(st.text(max_size=40), st.text(max_size=16), st.integers(0, 50), st.integers(0, 50))
def test_who_is_drawn_again_stays_as_the_arms_grow(
    unit: str, salt: str, one: int, other: int
) -> None:
    before, after = (arm_of(unit, split(percent, salt)) for percent in sorted((one, other)))
    assert before in (after, "Rest")


@given(st.text(max_size=40), st.integers(0, 50), st.integers(0, 50))
def test_what_is_kept_holds_whatever_the_shares_become(session: str, one: int, other: int) -> None:
    before, after = table(split(one)), table(split(other))
    kept = assigned(session, before)
    assert recorded(kept, after) == recorded(kept, before)
    assert in_canary(kept, after) == in_canary(kept, before)


def test_the_end_of_a_rollout_is_the_end_of_its_arms() -> None:
    kept = next(
        found
        for number in range(1000)
        if in_canary(found := assigned(f"s-{number}", table(split(5))), table(split(5)))
    )
    assert not in_canary(kept, table(None))
    assert not in_canary(kept, table(split(50, "s2")))
    assert recorded(kept, table(split(50, "s2"))) == {}
    assert recorded(kept, table(split(0))) == {"rollout": "s1", "arm": "Canary"}


def test_who_began_before_is_in_no_arm() -> None:
    kept = assigned("s-1", table(None))
    assert kept is None
    assert not in_canary(kept, table(split(50)))
    assert recorded(kept, table(split(50))) == {}


def test_over_fifty_rollouts_nobody_is_a_guinea_pig_more_often_than_chance() -> None:
    """As a binomial of 50 rollouts has it: the mean, the spread, and the unluckiest of 5,000."""
    rollouts, players, share = 50, 5000, 0.1
    times = [
        sum(
            arm_of(f"player-{player}", split(10, f"salt-{rollout}")) == "Canary"
            for rollout in range(rollouts)
        )
        for player in range(players)
    ]
    mean = sum(times) / players
    variance = sum((count - mean) ** 2 for count in times) / (players - 1)
    expected = rollouts * share * (1 - share)
    assert abs(mean - rollouts * share) <= 4 * sqrt(expected / players)
    # The standard error of a variance, from the fourth moment of the binomial.
    kurtosis = 3 + (1 - 6 * share * (1 - share)) / expected
    assert abs(variance - expected) <= 4 * expected * sqrt((kurtosis - 1) / players)
    # P(X >= 18) = 2.6e-6 for one player, 1.3 % for the largest of all.
    assert max(times) < 18


def test_the_shadow_is_a_share_of_the_rest_and_takes_nothing_from_the_arms() -> None:
    plain, shadowed = split(10), split(10).model_copy(update={"shadow": Shadowing(percent=25)})
    units = [f"s-{number:024x}" for number in range(SESSIONS)]
    kept = [assigned(unit, table(shadowed), shadow=True) for unit in units]
    counts = Counter(arm and arm.removeprefix("s1:") for arm in kept)
    for unit, arm in zip(units, kept, strict=True):
        drawn = "Rest" if arm == "s1:Shadow" else str(arm).removeprefix("s1:")
        assert drawn == arm_of(unit, plain)
    rest = counts["Rest"] + counts["Shadow"]
    assert abs(counts["Shadow"] / rest - 0.25) <= 4 * sqrt(0.25 * 0.75 / rest)
    assert not in_canary("s1:Shadow", table(shadowed))
    assert assigned(units[0], table(shadowed)) in {"s1:Canary", "s1:Baseline", "s1:Rest"}


@given(st.text(max_size=40), st.integers(0, 50))
def test_a_tester_is_told_by_the_new_revision_whatever_is_drawn(unit: str, percent: int) -> None:
    named = split(percent).model_copy(update={"testers": ["ann"], "players": ["Mara"]})
    for tester, player in (("ann", None), (None, "Mara"), ("bob", "Mara")):
        kept = assigned(unit, table(named), tester, player, shadow=True)
        assert kept == "s1:Tester"
        assert in_canary(kept, table(named))
    kept = assigned(unit, table(named), "bob", "ann")
    assert kept == assigned(unit, table(split(percent)))
