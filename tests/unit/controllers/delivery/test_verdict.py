"""Verdicts: which beats which, what never proves, and what a person reads."""

from dataclasses import replace

import pytest

from controllers.delivery.evidence import Assigned, Evidence, Outcome, feed, start
from controllers.delivery.plan import AnalysisPlan, Margin, Metric
from controllers.delivery.verdict import Kind, Verdict, amount, look, rounded
from controllers.delivery.view import decimal, shown
from tests.unit.controllers.delivery.builders import ARMS, ERRORS, PLAN, Record, sessions


def of(records: list[Record], plan: AnalysisPlan = PLAN, *, late: bool = False) -> Verdict:
    return look(feed(start(plan), plan, records), plan, deadline_passed=late)


def test_an_equal_canary_is_proven() -> None:
    verdict = of(sessions(1200))
    assert verdict.kind == Kind.PROVEN
    assert all(reading.proven for reading in verdict.metrics)
    assert "no metric is worse than its margin, after 1200 pairs" in verdict.message


def test_a_bad_canary_is_harm() -> None:
    verdict = of(sessions(400, canary=0.2))
    assert verdict.kind == Kind.HARM
    assert verdict.message.startswith("the canary is worse, as was found after ")
    assert "pairs; by now errors 0.195 against 0.005 in the baseline" in verdict.message


def test_a_slow_canary_is_harm() -> None:
    verdict = of(sessions(300, slower=100))
    assert (verdict.kind, [r.name for r in verdict.metrics if r.harmful]) == (
        Kind.HARM,
        ["latency"],
    )


def test_harm_beats_proof_even_when_much_good_follows() -> None:
    evidence = feed(start(PLAN), PLAN, sessions(400, canary=0.2))
    evidence = feed(evidence, PLAN, sessions(6000, log="gateway-1"))
    assert all(reading.proven for reading in look(evidence, PLAN).metrics)
    assert look(evidence, PLAN).kind == Kind.HARM


def test_a_broken_split_beats_harm() -> None:
    records = [*sessions(400, canary=0.2), *(Assigned("g", at, "Canary") for at in range(300))]
    verdict = of(records)
    assert verdict.kind == Kind.BROKEN_SPLIT
    assert "canary and baseline got 700 and 400 sessions, which should be 1:1" in verdict.message


def test_what_is_open_says_how_much_is_missing() -> None:
    verdict = of(sessions(200))
    assert verdict.kind == Kind.UNDECIDED
    assert "; 200 would stop it)" in verdict.message
    assert "errors needs about " in verdict.message
    assert " more pairs to be proven" in verdict.message


def test_at_the_cap_what_is_open_is_inconclusive() -> None:
    plan = replace(PLAN, cap=200)
    verdict = of(sessions(200), plan)
    assert verdict.kind == Kind.INCONCLUSIVE
    assert verdict.message.startswith("the cap of 200 pairs is reached and nothing is decided")


def test_without_data_nothing_is_proven_and_the_deadline_says_so() -> None:
    assert of([]).kind == Kind.UNDECIDED
    verdict = of([], late=True)
    assert verdict.kind == Kind.INCONCLUSIVE
    assert verdict.message.startswith("no data before the deadline")


@pytest.mark.parametrize("late", [False, True])
def test_after_the_deadline_what_is_decided_stays_decided(late: bool) -> None:
    assert of(sessions(1200), late=late).kind == Kind.PROVEN


def test_missing_data_never_proves() -> None:
    verdict = of(sessions(2000, canary=0.0, baseline=0.1, missing=1.0))
    assert verdict.kind == Kind.INCONCLUSIVE
    assert "errors has no pair in which every session has a value" in verdict.message
    few = of(sessions(1500, missing=0.03))
    assert few.kind != Kind.PROVEN
    assert "sessions without a value against it" in few.message


def test_a_metric_without_a_margin_is_watched_and_proves_nothing() -> None:
    watched = AnalysisPlan((Metric("errors"),))
    verdict = of(sessions(800), watched)
    assert verdict.kind == Kind.UNDECIDED
    assert "no metric has a margin" in verdict.message
    assert of(sessions(800, canary=0.2), watched).kind == Kind.HARM


def test_an_objective_has_to_be_better() -> None:
    plan = AnalysisPlan((Metric("errors", Margin()),))
    assert of(sessions(1000, canary=0.1, baseline=0.2), plan).kind == Kind.PROVEN
    assert of(sessions(1000, canary=0.2, baseline=0.2), plan).kind == Kind.UNDECIDED


def test_readings_are_in_the_unit_and_direction_of_the_metric() -> None:
    plan = AnalysisPlan((Metric("score", Margin(absolute=2), "Bounded", "Higher", high=10),))
    records: list[Record] = [
        Outcome("g", at, ARMS[at % 2], {"score": 6.0 + at % 2}) for at in range(200)
    ]
    reading = of(records, plan).metrics[0]
    assert reading.canary == pytest.approx(6)
    assert reading.baseline == pytest.approx(7)
    assert reading.lower is not None
    assert reading.upper is not None
    assert reading.lower < -1 < reading.upper < 0


def test_unequal_arms_are_judged_in_blocks() -> None:
    plan = AnalysisPlan((ERRORS,), block=(1, 19))
    assert of(sessions(1200, block=(1, 19)), plan).kind == Kind.PROVEN
    verdict = of(sessions(300, canary=0.1, block=(1, 19)), plan)
    assert verdict.kind == Kind.HARM
    assert " blocks; by now errors" in verdict.message


def test_a_status_shows_short_text() -> None:
    reading = of(sessions(200)).metrics[0]
    figures = shown(reading)
    assert set(figures) == {"canary", "baseline", "lower", "upper", "eValue", "standing"}
    assert figures["standing"] == "Open"
    assert max(map(len, figures.values())) <= 10
    assert "canary" not in shown(of([]).metrics[0])
    standings = [
        shown(replace(reading, harmful=True)),
        shown(replace(reading, proven=None)),
        shown(replace(reading, proven=True)),
    ]
    assert [each["standing"] for each in standings] == ["Harmful", "Watched", "Proven"]


def test_numbers_are_rounded_for_people() -> None:
    assert [rounded(n) for n in (0, 7, 97, 412, 12345)] == [0, 7, 97, 420, 13000]
    assert [amount(log) for log in (-50, 0, 2.255, 4.6, 5.7)] == [
        "below 0.01", "1", "10", "99", "299",
    ]  # fmt: skip
    assert amount(20) == "above a million"
    values = (0.0123456, -0.5, 1234.5, 0.0, -1e-12, 3)
    assert [decimal(v) for v in values] == ["0.0123", "-0.5", "1230", "0", "0", "3"]


def test_the_start_is_empty() -> None:
    assert start(PLAN) == Evidence(start(PLAN).metrics)
