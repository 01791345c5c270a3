"""Arms: the right shares, nobody always the guinea pig, and an id that says them until the end."""

import secrets
from collections import Counter
from itertools import combinations
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crds.trials import Trial
from runtime.arms import MAX_MARKS, arms_of, drawn, marked

SESSIONS = 100_000
PERCENT = st.integers(0, 50)
SALT = st.text(min_size=1, max_size=16)
SESSION = st.text("0123456789abcdef", min_size=24, max_size=24).map("s-{}".format)


def trial(salt: str, percent: int = 50) -> Trial:
    return Trial(experiment=f"of-{salt}", salt=salt, percent=percent, watched_seconds=600)


def arm_in(session: str | None, tried: Trial) -> str:
    return next((arm for _, arm in arms_of(session, [tried])), "Rest")


@pytest.mark.parametrize("percent", [1, 5, 10, 20, 33, 50])
def test_shares_are_within_four_standard_errors(percent: int) -> None:
    counts: Counter[str] = Counter(
        drawn(f"s-{number:024x}", "s1", percent) for number in range(SESSIONS)
    )
    share = percent / 100
    for arm, expected in (("Canary", share), ("Baseline", share), ("Rest", 1 - 2 * share)):
        error = sqrt(expected * (1 - expected) / SESSIONS)
        assert abs(counts[arm] / SESSIONS - expected) <= 4 * error, (arm, counts)


@given(st.text(max_size=40), st.text(max_size=16), PERCENT, PERCENT)
def test_who_is_drawn_again_stays_as_the_arms_grow(
    unit: str, salt: str, one: int, other: int
) -> None:
    before, after = (drawn(unit, salt, percent) for percent in sorted((one, other)))
    assert before in (after, "Rest")


def test_over_fifty_rollouts_nobody_is_a_guinea_pig_more_often_than_chance() -> None:
    """As a binomial of 50 rollouts has it: the mean, the spread, and the unluckiest of 5,000."""
    rollouts, players, share = 50, 5000, 0.1
    times = [
        sum(
            drawn(f"player-{player}", f"salt-{rollout}", 10) == "Canary"
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


def test_who_is_in_one_canary_is_in_another_no_more_often_than_anybody() -> None:
    salts, share = [f"salt-{number}" for number in range(5)], 0.2
    in_canary = {
        salt: [drawn(f"s-{number:024x}", salt, 20) == "Canary" for number in range(20_000)]
        for salt in salts
    }
    both = share * share
    error = sqrt(both * (1 - both) / 20_000)
    for one, other in combinations(salts, 2):
        found = sum(map(lambda a, b: a and b, in_canary[one], in_canary[other])) / 20_000
        assert abs(found - both) <= 4 * error, (one, other, found)


@given(SESSION, st.lists(SALT, unique=True, max_size=4), PERCENT)
def test_an_id_says_what_was_drawn(session: str, salts: list[str], percent: int) -> None:
    trials = [trial(salt, percent) for salt in salts]
    named = marked(session, trials)
    assert len(named) <= 64
    assert {tried.salt: arm_in(named, tried) for tried in trials} == {
        salt: drawn(session, salt, percent) for salt in salts
    }


@given(SESSION, SALT, PERCENT, PERCENT)
def test_what_an_id_says_holds_whatever_the_shares_become(
    session: str, salt: str, one: int, other: int
) -> None:
    named = marked(session, [trial(salt, one)])
    assert arm_in(named, trial(salt, other)) == drawn(session, salt, one)


@given(SESSION, SALT, SALT)
def test_with_the_end_of_an_experiment_its_arms_end(session: str, salt: str, next_: str) -> None:
    named = marked(session, [trial(salt)])
    assert list(arms_of(named, [])) == []
    if next_ != salt:
        assert arm_in(named, trial(next_)) == "Rest"


def test_who_began_before_is_in_no_arm() -> None:
    session = marked("s-" + secrets.token_hex(12), [])
    assert len(session) == 26
    assert list(arms_of(session, [trial(str(salt)) for salt in range(100)])) == []


def test_there_is_room_for_so_many_arms_and_no_more() -> None:
    trials = [trial(f"salt-{number}") for number in range(MAX_MARKS + 3)]
    named = marked("s-9b1d7c2f40e6a853bc17d290", trials)
    assert len(named) == 63
    assert len(list(arms_of(named, trials))) == MAX_MARKS


@pytest.mark.parametrize(
    "key", [None, "", "Mara", "s-1", "s-", "-c12345", "s-9b1d7c2f40e6a853bc17d290-", "é" * 256]
)
def test_an_id_that_is_none_of_ours_is_in_no_arm(key: str | None) -> None:
    assert list(arms_of(key, [trial("salt")])) == []
