"""Windows of Prometheus: which are asked about, what is heard of them, and what they and sessions
come to together."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.delivery.evidence import start, with_pair
from controllers.delivery.plan import AnalysisPlan, Margin, Metric
from controllers.delivery.verdict import WINDOWS, Kind, Verdict, both, look
from controllers.delivery.windows import MOST, Queries, Window, due, heard

PLAN = AnalysisPlan((Metric("failed", Margin(0.01), "Bounded", high=0.1),))
TEXT = 'sum(increase(failed{rollout="$rollout",arm="$arm"}[$window]))'
QUERIES = Queries(PLAN, "http://prometheus:9090", {"failed": TEXT}, seconds=60, lag=30)
BEGUN = datetime(2026, 11, 23, 12, 0, 10, tzinfo=UTC)
FIRST = int(BEGUN.timestamp()) // 60 + 1


def after(seconds: float) -> datetime:
    return BEGUN + timedelta(seconds=seconds)


def test_a_query_is_about_one_arm_of_one_rollout_in_one_window() -> None:
    assert QUERIES.about("failed", "Canary", "5a17") == (
        'sum(increase(failed{rollout="5a17",arm="Canary"}[60s]))'
    )


def test_a_window_is_due_when_it_is_over_and_what_is_scraped_late_is_in() -> None:
    # The first whole one lasts from 12:01:00 to 12:02:00, and is asked about at 12:02:30.
    assert list(due(QUERIES, BEGUN, None, after(139))) == []
    assert list(due(QUERIES, BEGUN, None, after(140))) == [FIRST]
    assert list(due(QUERIES, BEGUN, FIRST, after(199))) == []
    assert list(due(QUERIES, BEGUN, FIRST, after(200))) == [FIRST + 1]


def test_after_a_long_silence_the_oldest_are_asked_about_first() -> None:
    asked = due(QUERIES, BEGUN, FIRST + 4, after(7 * 86_400))
    assert (asked[0], len(asked)) == (FIRST + 5, MOST)


@given(st.lists(st.floats(0, 500), max_size=30))
def test_however_looks_fall_each_window_is_asked_about_once(pauses: list[float]) -> None:
    seen: list[int] = []
    seconds = 0.0
    for pause in pauses:
        seconds += pause
        seen += due(QUERIES, BEGUN, seen[-1] if seen else None, after(seconds))
    assert seen == list(range(FIRST, FIRST + len(seen)))


def test_what_neither_arm_has_a_value_of_is_left_out_and_nan_is_none() -> None:
    nan = float("nan")
    found = heard(
        range(5, 9), {("a", "Canary"): {5: 0.5, 6: nan, 8: nan}, ("a", "Baseline"): {6: 0.25}}
    )
    assert found == (Window(5, {"a": 0.5}, {}), Window(6, {}, {"a": 0.25}))


def judged(windows: int, canary: float | None, baseline: float | None = 0.01) -> Verdict:
    counted = start(PLAN)
    for _ in range(windows):
        counted = with_pair(counted, PLAN, {"failed": canary}, {"failed": baseline})
    return look(counted, PLAN, unit=WINDOWS)


def test_verdicts_on_windows_speak_of_windows() -> None:
    assert judged(0, 0).message == "waiting for the first window of which Prometheus has numbers"
    assert "more windows to be proven" in judged(20, 0.01).message
    assert judged(60, 0.01).kind == Kind.PROVEN
    bad = judged(30, 0.06)
    assert bad.kind == Kind.HARM
    assert re.search(r"was found after \d+ windows; by now failed 0.06 against", bad.message)
    assert "has no window in which every arm has a value" in judged(3, None).message


def test_a_canary_of_which_nothing_is_scraped_is_never_proven() -> None:
    assert judged(500, None).kind == Kind.UNDECIDED


def test_a_metric_of_which_neither_arm_has_a_value_is_no_worse_for_it() -> None:
    plan = AnalysisPlan((*PLAN.metrics, Metric("rare", Margin(0.01), "Bounded", high=0.1)))
    counted = start(plan)
    for at in range(120):
        values = {"failed": 0.01} | ({"rare": 0.0} if at % 2 else {})
        counted = with_pair(counted, plan, values, values)
    assert look(counted, plan, unit=WINDOWS).kind == Kind.PROVEN
    assert [each.missing for each in counted.metrics] == [(0, 0), (0, 0)]


def verdict(kind: Kind) -> Verdict:
    return Verdict(kind, f"they say {kind}", 7, ())


@pytest.mark.parametrize(
    ("sessions", "windows", "together", "words"),
    [
        (Kind.PROVEN, Kind.PROVEN, Kind.PROVEN, "they say Proven; they say Proven"),
        (Kind.PROVEN, Kind.UNDECIDED, Kind.UNDECIDED, "they say Proven; they say Undecided"),
        (Kind.UNDECIDED, Kind.PROVEN, Kind.UNDECIDED, "they say Undecided; they say Proven"),
        (Kind.PROVEN, Kind.HARM, Kind.HARM, "they say Harm"),
        (Kind.HARM, Kind.PROVEN, Kind.HARM, "they say Harm"),
        (Kind.BROKEN_SPLIT, Kind.HARM, Kind.BROKEN_SPLIT, "they say BrokenSplit"),
        (Kind.INCONCLUSIVE, Kind.PROVEN, Kind.INCONCLUSIVE,
         "they say Inconclusive; they say Proven"),
    ],
)  # fmt: skip
def test_the_graver_of_two_verdicts_holds_and_only_two_proofs_are_one(
    sessions: Kind, windows: Kind, together: Kind, words: str
) -> None:
    said = both(verdict(sessions), verdict(windows))
    assert (said.kind, said.message, said.blocks) == (together, words, 7)
