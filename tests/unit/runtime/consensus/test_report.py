"""What is told of an ensemble, and that nothing is told that is not known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.consensus.evidence import Evidence
from runtime.consensus.report import MINIMUM, Report, difference, report, wilson
from tests.unit.runtime.consensus.lessons import TODAY, TRUTH, heard, taught

EVEN = {"a": 1, "b": 1, "c": 1}
ACCURACIES = {"a": 0.9, "b": 0.8, "c": 0.7}


def told(evidence: Evidence) -> Report:
    return report(evidence, "gate", EVEN, TODAY)


def test_below_the_minimum_everything_is_unknown() -> None:
    found = told(taught(ACCURACIES, MINIMUM - 1))
    assert found.worth == "Unknown"
    assert found.message == "unknown: 99 complete decisions have an outcome, 100 are needed"
    assert (found.ensemble, found.best, found.agreement, found.effective_voters) == (None,) * 4
    assert all(
        (each.accuracy, each.alone, each.gain, each.calibration_error) == (None,) * 4
        for each in found.members
    )


def test_an_ensemble_that_is_better_than_every_member_helps() -> None:
    found = told(taught(ACCURACIES, 2000, ensemble=0.97))
    assert (found.worth, found.best) == ("Helps", "a")
    assert found.message.startswith("the ensemble helps: +")
    assert "points against a alone (95 % interval +" in found.message
    assert found.ensemble is not None
    assert found.ensemble.low < 0.97 < found.ensemble.high


def test_an_ensemble_that_is_no_better_than_its_best_member_does_not_help() -> None:
    found = told(taught(ACCURACIES, 2000, ensemble=0.85))
    assert found.worth == "DoesNotHelp"
    assert found.message.startswith("the ensemble does not help: -")


def test_what_cannot_be_told_yet_is_called_unknown() -> None:
    found = told(taught(ACCURACIES, 150, ensemble=0.9))
    assert found.worth == "Unknown"
    assert found.message.startswith("unknown yet whether the ensemble helps")


def test_a_silent_member_is_accurate_and_would_not_have_been_right_alone() -> None:
    evidence = Evidence()
    for at in range(200):
        evidence.learn(heard({"a": TRUTH if at % 2 else None, "b": TRUTH, "c": TRUTH}), TRUTH)
    a = told(evidence).members[0]
    assert a.accuracy is not None
    assert a.alone is not None
    assert (a.accuracy.value, a.alone.value) == (1.0, 0.5)


def test_shared_errors_lower_the_effective_voters() -> None:
    alone, together = told(taught(ACCURACIES, 2000)), told(taught(ACCURACIES, 2000, together=0.8))
    assert alone.effective_voters is not None
    assert together.effective_voters is not None
    assert alone.error_correlation is not None
    assert together.error_correlation is not None
    assert alone.effective_voters > 2.8
    assert together.effective_voters < 2.0
    assert abs(alone.error_correlation) < 0.1
    assert together.error_correlation > 0.4
    assert together.agreement is not None
    assert alone.agreement is not None
    assert together.agreement > alone.agreement


def test_who_claims_more_than_it_knows_is_miscalibrated() -> None:
    evidence = Evidence()
    for at in range(200):
        said = TRUTH if at % 5 else "shut"  # right in 80 %
        evidence.learn(heard({"a": said, "b": said}, stated={"a": 100, "b": 80}), TRUTH)
    a, b, c = told(evidence).members
    assert a.calibration_error == pytest.approx(0.2)
    assert b.calibration_error == pytest.approx(0.0)
    assert c.calibration_error is None


@given(st.integers(0, 500), st.integers(1, 500))
def test_an_interval_holds_its_share_and_stays_a_share(hits: int, misses: int) -> None:
    found = wilson(hits, misses)
    assert 0 <= found.low <= found.value <= found.high <= 1


@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 200))
def test_swapping_sides_turns_a_difference_around(ahead: int, behind: int, even: int) -> None:
    number = ahead + behind + even + 1
    one, other = difference(ahead, behind, number), difference(behind, ahead, number)
    assert one.value == -other.value
    assert one.low == pytest.approx(-other.high)
    assert one.low <= one.value + 1e-9


def test_the_interval_of_wilson_is_that_of_the_books() -> None:
    found = wilson(81, 263 - 81)
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)


def test_the_interval_of_a_difference_narrows_with_more_decisions() -> None:
    few, many = difference(30, 10, 200), difference(300, 100, 2000)
    assert few.high - few.low > 2.5 * (many.high - many.low)
