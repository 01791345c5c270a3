"""The benchmark's own parts: what its tables are computed by, on runs that are small."""

import numpy as np
import pytest

from controllers.delivery.evidence import Outcome, Shadowed, feed, start, with_pair
from controllers.delivery.plan import AnalysisPlan, Margin, Metric
from controllers.delivery.verdict import Kind, look
from tests.bench.delivery import (
    ARGO,
    FLAGGER,
    NEVER,
    Crowd,
    Pairs,
    Thresholds,
    by_thresholds,
    by_verdict,
    decided,
    harmed_after,
    independent,
    preferences,
    preferred_after,
    promised,
    proven_after,
    windows_until,
)

MARGIN = Margin(absolute=0.05)


def test_many_runs_at_once_end_where_looks_at_one_by_one_end() -> None:
    plan = AnalysisPlan((Metric("errors", MARGIN),), cap=400)
    seen = independent(np.random.default_rng(1), 400, 6, 0.08, 0.02)
    harmed, proven = harmed_after(seen), proven_after(seen, MARGIN)
    for run in range(6):
        evidence, ends = start(plan), (NEVER, NEVER)
        for at in range(400):
            canary, baseline = bool(seen.canary[at, run]), bool(seen.baseline[at, run])
            pair = (
                Outcome("g", 2 * at, "Canary", {"errors": canary}),
                Outcome("g", 2 * at + 1, "Baseline", {"errors": baseline}),
            )
            evidence = feed(evidence, plan, pair)
            kind = look(evidence, plan).kind
            if kind == Kind.HARM:
                ends = at + 1, ends[1]
                break
            if kind == Kind.PROVEN and ends[1] == NEVER:
                ends = ends[0], at + 1
        until = min(ends[0], 401)
        assert harmed[run] == ends[0]
        assert min(int(proven[run]), until) == min(ends[1], until)


def test_whichever_comes_first_ends_a_run_and_harm_wins_a_tie() -> None:
    harmed, proven = np.array([5, 9, 7, NEVER]), np.array([9, 5, 7, NEVER])
    shares = decided(harmed, proven)
    assert (shares.rolled_back, shares.promoted, shares.open) == (0.5, 0.25, 0.25)


@pytest.mark.parametrize(
    ("failures", "tool", "back"),
    [
        ([0] * 9, FLAGGER, False),
        ([1, 1, 1, 1, 0, 0, 0, 0, 0], FLAGGER, False),
        ([1, 0, 1, 0, 1, 0, 1, 0, 1], FLAGGER, True),  # failed checks are never forgotten
        ([3, 3, 3, 0, 0, 0, 0, 0], ARGO, False),
        ([3, 3, 3, 0, 0, 0, 0, 3], ARGO, True),
        ([2] * 8, ARGO, False),  # 96 % is enough
    ],
)
def test_thresholds_decide_as_the_tools_do(
    failures: list[int], tool: Thresholds, back: bool
) -> None:
    wrong = np.zeros((len(failures) * 50, 1), dtype=bool)
    for at, number in enumerate(failures):
        wrong[at * 50 : at * 50 + number] = True
    shares = by_thresholds(Pairs(wrong, wrong), tool, 50)
    assert (shares.rolled_back, shares.promoted) == (float(back), float(not back))


def test_a_good_canary_ends_in_promotion() -> None:
    seen = independent(np.random.default_rng(2), 1000, 50, 0.01, 0.01)
    assert by_verdict(seen, MARGIN).promoted == 1


def test_a_promise_is_the_baseline_and_the_margin_and_costs_no_more_than_that() -> None:
    promises, costs = promised(independent(np.random.default_rng(5), 1000, 20, 0.02, 0.02), MARGIN)
    assert len(promises) == 20
    assert promises.mean() == pytest.approx(0.07, abs=0.02)
    assert ((costs > 0) & (costs <= MARGIN.absolute)).all()


@pytest.mark.parametrize(("rate", "reference"), [(0.10, 120), (0.05, 385)])
def test_harm_is_found_within_a_tenth_of_the_reference(rate: float, reference: int) -> None:
    after = harmed_after(independent(np.random.default_rng(3), 2000, 1000, rate, 0.01))
    assert np.median(after) <= 1.1 * reference


def test_equal_arms_are_rolled_back_in_one_of_a_hundred_runs_at_most() -> None:
    for rate in (0.01, 0.1, 0.5):
        after = harmed_after(independent(np.random.default_rng(4), 1000, 1000, rate, rate))
        assert (after < NEVER).mean() <= 0.01


def test_many_judged_runs_at_once_end_where_looks_at_one_by_one_end() -> None:
    metric = Metric("liked", Margin(absolute=0.2), "Bounded", "Higher", norm=0.5)
    plan = AnalysisPlan((metric,))
    for rate in (0.25, 0.6):
        seen = preferences(np.random.default_rng(2), 200, 3, rate, 3)
        harmed, proven = preferred_after(seen, 0.2)
        for run in range(3):
            evidence, ends = start(plan), [NEVER, NEVER]
            for at, liked in enumerate(seen[:, run]):
                evidence = feed(evidence, plan, [Shadowed("g", at, {"liked": float(liked)})])
                (reading,) = look(evidence, plan).metrics
                found = reading.harmful, reading.proven
                ends = [end if end < NEVER or not new else at + 1
                        for end, new in zip(ends, found, strict=True)]  # fmt: skip
            assert ends == [harmed[run], proven[run]]


def test_windows_at_once_end_where_looks_at_one_by_one_end() -> None:
    rng, margin = np.random.default_rng(3), Margin(absolute=0.01)
    plan = AnalysisPlan((Metric("failed", margin, "Bounded", high=0.1),), cap=200)
    canary, baseline = (Crowd(20, rate).shares(rng, 120, 6) for rate in (0.03, 0.01))
    harmed, proven = windows_until(canary, baseline, 0.1, margin)
    for run in range(6):
        evidence, ends = start(plan), (NEVER, NEVER)
        for at in range(120):
            own, others = {"failed": canary[at, run]}, {"failed": baseline[at, run]}
            evidence = with_pair(evidence, plan, own, others)
            kind = look(evidence, plan).kind
            if kind == Kind.HARM:
                ends = (at + 1, ends[1])
                break
            if kind == Kind.PROVEN:
                ends = (ends[0], min(ends[1], at + 1))
        assert harmed[run] == ends[0]
        assert min(proven[run], harmed[run]) == min(ends)


def test_a_crowd_fails_at_its_rate_in_every_window() -> None:
    found = Crowd(20, 0.05, lasts=3).shares(np.random.default_rng(4), 30, 400)
    assert found.mean() == pytest.approx(0.05, abs=0.004)
    assert found[0].mean() == pytest.approx(found[-1].mean(), abs=0.02)
