"""Learned weights: the declared ones to begin with, then what outcomes say of skill and of shared
errors."""

import math
import random
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.consensus.correlation import (
    correlation,
    effective_voters,
    error_correlations,
    phi,
)
from runtime.consensus.evidence import Evidence, pairs
from runtime.consensus.skill import (
    PRIOR_STRENGTH,
    declared_log_odds,
    log_odds_of,
    posterior,
    skill_of,
)
from runtime.consensus.weights import NAT, decorrelate, learned_weights
from tests.unit.runtime.consensus.lessons import TODAY, TRUTH, heard, taught

EVEN = {"a": 1, "b": 1, "c": 1}
NAMES = st.sampled_from(["a", "b", "c", "d"])
CORRELATIONS = st.fixed_dictionaries({pair: st.floats(0, 0.99) for pair in pairs("abcd")})


def weights(evidence: Evidence, declared: dict[str, int], options: int = 2) -> dict[str, int]:
    return learned_weights(evidence, "gate", options, declared, TODAY)


def test_until_the_first_outcome_the_declared_weights_count_as_they_are() -> None:
    declared = {"a": 4, "b": 4, "c": 2, "d": 0}
    assert weights(Evidence(), declared) == declared
    agreeing = Evidence()
    agreeing.learn(heard({"a": "open", "b": "open"}))
    assert weights(agreeing, declared) == declared


def test_declared_weights_stand_for_log_odds_in_their_own_proportion() -> None:
    odds = declared_log_odds({"a": 4, "b": 4, "c": 1, "d": 0})
    assert odds["a"] == odds["b"] == pytest.approx(4 * odds["c"])
    assert odds["d"] == 0
    assert sum(odds.values()) / 3 == pytest.approx(math.log(0.7 / 0.3))


def test_one_outcome_moves_the_declared_weights_only_a_little() -> None:
    evidence = Evidence()
    evidence.learn(heard({"a": "shut", "b": TRUTH}), TRUTH)
    moved = weights(evidence, {"a": 4, "b": 2})
    assert 2 > moved["a"] / moved["b"] > 1.4


def test_many_outcomes_outweigh_what_was_declared() -> None:
    evidence = taught({"a": 0.6, "b": 0.9, "c": 0.75}, 2000)
    learned = weights(evidence, {"a": 8, "b": 1, "c": 2})
    assert learned["b"] > learned["c"] > learned["a"]


def test_without_shared_errors_it_is_naive_bayes() -> None:
    accuracies = {"a": 0.9, "b": 0.8, "c": 0.7}
    learned = weights(taught(accuracies, 20_000), EVEN)
    for name, right in accuracies.items():
        assert learned[name] / NAT == pytest.approx(math.log(right / (1 - right)), rel=0.1)


def test_when_all_err_together_the_best_member_decides_alone() -> None:
    learned = weights(taught({"a": 0.8, "b": 0.85, "c": 0.82}, 5000, together=1.0), EVEN)
    assert learned["b"] > learned["a"] + learned["c"]


def test_two_who_err_together_count_less_than_one_who_errs_alone() -> None:
    rng = random.Random(5)
    evidence = Evidence()
    for _ in range(3000):
        twins, third = (TRUTH if rng.random() < 0.8 else "shut" for _ in range(2))
        evidence.learn(heard({"a": twins, "b": twins, "c": third}), TRUTH)
    learned = weights(evidence, EVEN)
    assert learned["c"] > max(learned["a"], learned["b"])


def test_a_declared_zero_stays_zero_and_everyone_else_can_make_a_quorum() -> None:
    learned = weights(taught({"a": 0.9, "b": 0.4, "c": 0.9}, 1000), {"a": 1, "b": 1, "c": 0})
    assert learned["c"] == 0
    assert learned["b"] == 1


def test_a_task_without_outcomes_goes_by_the_other_tasks() -> None:
    elsewhere = taught({"a": 0.6, "b": 0.9}, 1000, task="market")
    learned = weights(elsewhere, {"a": 4, "b": 4})
    assert learned["b"] > learned["a"]
    here = taught({"a": 0.9, "b": 0.6}, 1000)
    here.merge(elsewhere)
    learned = weights(here, {"a": 4, "b": 4})
    assert learned["a"] > learned["b"]


def test_more_options_make_the_same_skill_weigh_more() -> None:
    evidence = taught({"a": 0.75, "b": 0.9, "c": 0.8}, 1000)
    two, ten = weights(evidence, EVEN, options=2), weights(evidence, EVEN, options=10)
    assert all(ten[name] > two[name] for name in EVEN)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(2, 6))
def test_on_one_number_of_options_skill_is_the_mean_of_a_beta_posterior(
    right: int, wrong: int, options: int
) -> None:
    prior = 1.2
    skill = posterior(options, prior, {options: (right, wrong)}, [])
    mean = 1 / options + skill_of(prior, options) * (1 - 1 / options)
    strength = PRIOR_STRENGTH * options / (options - 1)
    expected = (strength * mean + right) / (strength + right + wrong)
    found = 1 / options + skill * (1 - 1 / options)
    assert found == pytest.approx(max(expected, 1 / options))


@given(st.floats(0, 3), st.integers(2, 20))
def test_skill_and_log_odds_are_two_words_for_one_thing(odds: float, options: int) -> None:
    assert log_odds_of(skill_of(odds, options), options) == pytest.approx(odds, abs=1e-9)


@given(st.dictionaries(NAMES, st.floats(0, 4), min_size=1), CORRELATIONS)
def test_decorrelated_weights_are_the_best_non_negative_ones(
    log_odds: dict[str, float], correlations: dict[tuple[str, str], float]
) -> None:
    found = decorrelate(log_odds, correlations)
    for member, weight in found.items():
        shared = sum(correlation(correlations, member, o) * found[o] for o in found)
        slope = log_odds[member] - shared
        assert weight >= 0
        assert slope <= 1e-4  # Karush, Kuhn and Tucker
        assert abs(slope * weight) <= 1e-3


def test_the_order_of_members_changes_no_weight() -> None:
    evidence = taught({"a": 0.8, "b": 0.7, "c": 0.9}, 500, together=0.3)
    found = {
        tuple(sorted(weights(evidence, dict.fromkeys(order, 1)).items()))
        for order in permutations("abc")
    }
    assert len(found) == 1


@given(st.dictionaries(NAMES, st.integers(0, 4000), min_size=1), CORRELATIONS)
def test_effective_voters_are_one_to_all_of_them(
    weights: dict[str, int], correlations: dict[tuple[str, str], float]
) -> None:
    voters = sum(weight > 0 for weight in weights.values())
    effective = effective_voters(weights, correlations)
    if voters:
        assert 1 - 1e-9 <= effective <= voters + 1e-9
    else:
        assert effective == 0


def test_with_equal_weights_effective_voters_follow_kish() -> None:
    alike = dict.fromkeys(pairs("abcde"), 0.25)
    assert effective_voters(dict.fromkeys("abcde", 7), alike) == pytest.approx(5 / (1 + 4 * 0.25))


def test_few_decisions_say_little_of_a_correlation_and_many_almost_all() -> None:
    counts = {"both a b": 2.0, "neither a b": 8.0}
    few = error_correlations("ab", counts, [])["a", "b"]
    many = error_correlations("ab", {name: 1000 * n for name, n in counts.items()}, [])["a", "b"]
    assert 0 < few < 0.35
    assert many > 0.95


def test_errors_that_avoid_each_other_count_as_independent() -> None:
    counts = {"first a b": 500.0, "second a b": 500.0, "neither a b": 1000.0}
    assert phi(("a", "b"), counts)[0] < -0.3
    assert error_correlations("ab", counts, [])["a", "b"] == 0


def test_who_never_errs_has_no_correlation() -> None:
    assert phi(("a", "b"), {"second a b": 5.0, "neither a b": 95.0}) == (0.0, 0.0)
