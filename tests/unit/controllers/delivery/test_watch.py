"""What was promoted is held to its promise."""

from dataclasses import replace

import pytest

from controllers.delivery.checkpoint import CheckpointError, dump, dump_watch, load_watch
from controllers.delivery.evidence import Outcome, Shadowed, feed, start
from controllers.delivery.plan import AnalysisPlan, Margin, Metric
from controllers.delivery.watch import Watch, begin
from controllers.delivery.watch import feed as observe
from tests.unit.controllers.delivery.builders import PLAN, sessions

EVIDENCE = feed(start(PLAN), PLAN, sessions(1000, baseline=0.02))
WATCH = begin(EVIDENCE, PLAN)


def outcomes(number: int, rate: float, *, slower: float = 0.0, seed: int = 4) -> list[Outcome]:
    """Sessions of what was promoted."""
    records = sessions(number, canary=rate, slower=slower, log="later", seed=seed)
    return [r for r in records if isinstance(r, Outcome) and r.arm == "Canary"]


def test_the_promise_is_the_baseline_and_the_margin() -> None:
    errors, latency = WATCH.promised
    assert errors == pytest.approx(EVIDENCE.metrics[0].baseline / 1000 + 0.02)
    assert latency == pytest.approx(0.45, abs=0.02)
    assert WATCH.cursor == EVIDENCE.cursor


def test_a_promise_of_what_should_be_high_is_kept_in_its_direction() -> None:
    plan = AnalysisPlan((Metric("errors", Margin(relative=0.1), better="Higher"),))
    evidence = feed(start(plan), plan, sessions(1000, canary=0.5, baseline=0.5))
    good = 1 - evidence.metrics[0].baseline / 1000
    promise = begin(evidence, plan).promised[0]
    assert promise == pytest.approx(1 - 0.9 * good)


def test_what_keeps_its_promise_is_left_alone() -> None:
    assert observe(WATCH, PLAN, outcomes(3000, 0.02)).drifted == ()


def test_errors_and_slowness_are_found() -> None:
    worse = observe(WATCH, PLAN, outcomes(600, 0.2))
    assert worse.drifted == ("errors",)
    assert worse.drifted_at is not None
    assert worse.drifted_at < 200
    assert observe(WATCH, PLAN, outcomes(300, 0.02, slower=400)).drifted == ("latency",)


def test_it_stays_found_and_resumes_to_the_bit() -> None:
    records = [*outcomes(200, 0.2), *outcomes(400, 0.0)[200:]]
    whole = observe(WATCH, PLAN, records)
    half = load_watch(dump_watch(observe(WATCH, PLAN, records[:150]), PLAN), PLAN)
    assert observe(half, PLAN, records) == whole
    assert whole.drifted == ("errors",)


def test_nothing_is_promised_without_a_margin_or_data() -> None:
    watched = AnalysisPlan((Metric("errors"),))
    evidence = feed(start(watched), watched, sessions(100))
    assert begin(evidence, watched).promised == (None,)
    nothing = begin(start(PLAN), PLAN)
    assert observe(nothing, PLAN, outcomes(500, 1.0)).drifted == ()


def test_what_is_seen_in_the_shadow_alone_promises_nothing() -> None:
    judged = Metric("preference", Margin(0.1), "Bounded", "Higher", norm=0.5)
    plan = AnalysisPlan((judged, Metric("errors", Margin(0.02))))
    seen = [Shadowed("log", at, {"preference": 0.5}) for at in range(100)]
    evidence = feed(start(plan), plan, [*seen, *sessions(100)])
    preference, errors = begin(evidence, plan).promised
    assert preference is None
    assert errors is not None


def test_missing_values_are_no_drift() -> None:
    silent = [replace(record, values={}) for record in outcomes(500, 1.0)]
    assert observe(WATCH, PLAN, silent).drifted == ()


def test_evidence_is_not_taken_for_a_watch() -> None:
    with pytest.raises(CheckpointError, match="delete it"):
        load_watch(dump(EVIDENCE, PLAN), PLAN)


def test_the_start_of_a_watch_is_small() -> None:
    assert isinstance(WATCH, Watch)
    assert len(dump_watch(WATCH, PLAN)) < 1000
