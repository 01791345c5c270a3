"""Evidence: each record once, however it is cut, and nothing from what is missing."""

import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.delivery import harm
from controllers.delivery.checkpoint import dump, load
from controllers.delivery.evidence import Assigned, Outcome, Shadowed, feed, start
from controllers.delivery.noninferiority import points
from controllers.delivery.plan import AnalysisPlan, Margin, Metric
from tests.unit.controllers.delivery.builders import ERRORS, LATENCY, PLAN, sessions

RECORDS = sessions(60, canary=0.2, baseline=0.1, missing=0.05)
WHOLE = feed(start(PLAN), PLAN, RECORDS)


@given(st.lists(st.integers(0, len(RECORDS)), max_size=6))
def test_however_records_are_cut_and_read_again_the_evidence_is_the_same(cuts: list[int]) -> None:
    """Each part begins ten records too early, and every state goes through a checkpoint."""
    evidence, places = start(PLAN), [0, *sorted(cuts), len(RECORDS)]
    for begin, end in pairwise(places):
        part = RECORDS[max(0, begin - 10) : end]
        evidence = load(dump(feed(evidence, PLAN, part), PLAN), PLAN)
    assert evidence == WHOLE


def test_the_logs_of_several_gateways_have_a_cursor_each() -> None:
    both = [*sessions(5), *sessions(5, log="gateway-1")]
    evidence = feed(start(PLAN), PLAN, both)
    assert evidence.cursor == {"gateway-0": 19, "gateway-1": 19}
    assert evidence.blocks == 10


def test_sessions_wait_until_their_pair_is_there() -> None:
    canary = [record for record in RECORDS if record.arm == "Canary"]
    evidence = feed(start(PLAN), PLAN, canary[:10])
    assert (evidence.blocks, len(evidence.waiting[0])) == (0, 5)
    late = [Outcome("gateway-1", 0, "Baseline", {"errors": 0, "latency": 300})]
    evidence = feed(evidence, PLAN, late)
    assert (evidence.blocks, len(evidence.waiting[0])) == (1, 4)


@given(st.permutations(range(20)))
def test_within_a_block_the_order_means_nothing(order: list[int]) -> None:
    plan = AnalysisPlan((ERRORS, LATENCY), block=(1, 19))
    values = [
        Outcome("g", at, "Canary" if at == 0 else "Baseline", {"errors": at % 3 == 0, "latency": 8})
        for at in range(20)
    ]
    shuffled = [replace(values[at], sequence=place) for place, at in enumerate(order)]
    one, other = (feed(start(plan), plan, records) for records in (values, shuffled))
    assert one.blocks == other.blocks == 1
    for mine, theirs in zip(one.metrics, other.metrics, strict=True):
        assert mine.differences == pytest.approx(theirs.differences)
        assert mine.harm.log_e == pytest.approx(theirs.harm.log_e)


def test_a_missing_value_counts_against_the_canary_where_it_must_prove() -> None:
    plan = AnalysisPlan((ERRORS,))
    lost = [Outcome("g", 0, "Canary", {}), Outcome("g", 1, "Baseline", {"errors": 1})]
    known = [
        Outcome("g", 0, "Canary", {"errors": 0}),
        Outcome("g", 1, "Baseline", {"errors": float("nan")}),
    ]
    canary, baseline = (feed(start(plan), plan, pair).metrics[0] for pair in (lost, known))
    assert (canary.excess, canary.missing) == ((0, 1, 0), (1, 0))  # as bad as the baseline's error
    assert (baseline.excess, baseline.missing) == ((0, 1, 0), (0, 1))
    for counted in (canary, baseline):
        assert (counted.complete, sum(counted.differences), counted.harm.blocks) == (0, 0, 0)


def test_harm_is_looked_for_after_every_pair_and_stays_found() -> None:
    bad = sessions(300, canary=0.3)
    at = feed(start(PLAN), PLAN, bad).harmful_at
    assert at is not None
    assert at < 150
    good = sessions(2000, canary=0.0, log="gateway-1")
    later = feed(feed(start(PLAN), PLAN, bad), PLAN, good)
    assert (later.harmful, later.harmful_at) == (("errors",), at)


def test_the_e_values_are_those_of_the_vectorised_process() -> None:
    records = sessions(400, canary=0.05, baseline=0.02)
    outcomes = [record for record in records if isinstance(record, Outcome)]
    canary, baseline = (
        np.array([record.values["errors"] for record in outcomes if record.arm == arm])
        for arm in ("Canary", "Baseline")
    )
    process = harm.Harm(*(np.zeros(1) for _ in range(4)))
    for x, y in zip(canary, baseline, strict=True):
        process = harm.observe(process, x, y)
    assert feed(start(PLAN), PLAN, records).metrics[0].harm.log_e == process.log_e


def test_only_what_was_assigned_counts_for_the_split() -> None:
    evidence = feed(start(PLAN), PLAN, [Assigned("g", at, "Canary") for at in range(3)])
    assert (evidence.split.counts, evidence.blocks) == ((3, 0), 0)


def test_an_operator_without_an_analysis_does_not_load_numpy() -> None:
    """It would cost 12 MiB of memory."""
    code = "import operators.app, controllers.delivery.plan, sys; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0


LIKED = Metric("liked", Margin(absolute=0.1), "Bounded", "Higher", norm=0.5)
BOTH = AnalysisPlan((ERRORS, LIKED))


def test_a_session_in_the_shadow_is_held_against_the_norm_and_is_in_no_block() -> None:
    evidence = feed(start(BOTH), BOTH, [Shadowed("g", 1, {"liked": 0.75, "errors": 1.0})])
    errors, liked = evidence.metrics
    assert (evidence.blocks, errors.complete, evidence.split) == (0, 0, start(BOTH).split)
    assert (liked.complete, liked.canary, liked.baseline) == (1, 0.25, 0.5)
    support = points(LIKED, (1, 1), factor=1.0)
    assert np.dot(liked.differences, support) == pytest.approx(-0.25)
    assert liked.differences == liked.excess


def test_pairs_say_nothing_of_what_is_judged_in_the_shadow() -> None:
    outcomes = [
        Outcome("g", 1, "Canary", {"errors": 0.0, "liked": 0.0}),
        Outcome("g", 2, "Baseline", {"errors": 0.0, "liked": 0.0}),
    ]
    evidence = feed(start(BOTH), BOTH, outcomes)
    assert (evidence.blocks, evidence.metrics[1].complete) == (1, 0)


def test_what_was_not_compared_counts_for_nobody_and_moves_the_cursor() -> None:
    evidence = feed(start(BOTH), BOTH, [Shadowed("g", 7, {})])
    assert evidence == replace(start(BOTH), cursor={"g": 7})


@given(st.lists(st.floats(0, 1), max_size=30), st.integers(0, 30))
def test_shadows_read_again_count_once(liked: list[float], cut: int) -> None:
    told = [Shadowed("g", at, {"liked": value}) for at, value in enumerate(liked)]
    whole = feed(start(BOTH), BOTH, told)
    part = load(dump(feed(start(BOTH), BOTH, told[:cut]), BOTH), BOTH)
    assert feed(part, BOTH, told) == whole
    assert load(dump(whole, BOTH), BOTH) == whole
