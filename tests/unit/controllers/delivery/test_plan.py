"""Plans that cannot be followed are refused, and values are read in the metric's unit."""

from dataclasses import replace

import pytest

from controllers.delivery.plan import AnalysisPlan, Margin, Metric, PlanError

PLAN = AnalysisPlan((Metric("errors", Margin(absolute=0.01)),))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Margin(absolute=0.1, relative=0.1), "not both"),
        (lambda: Margin(absolute=-0.1), "0 or more"),
        (lambda: Metric("m", low=3, high=3, kind="Bounded"), "low must be below high"),
        (lambda: Metric("m", high=10), "leave out low and high"),
        (lambda: Metric("m", Margin(absolute=5), "Bounded", high=5), "smaller than the range"),
        (lambda: Metric("m", Margin(relative=1), better="Higher"), "smaller than the range"),
        (lambda: Metric("m", Margin(relative=0.1), "Bounded", low=1, high=5), "low 0"),
        (lambda: Metric("m", norm=0.5), "a value of a bounded metric"),
        (lambda: Metric("m", kind="Bounded", norm=2), "a value of a bounded metric"),
        (lambda: AnalysisPlan(()), "at least one"),
        (lambda: AnalysisPlan((Metric("m"), Metric("m"))), "each once"),
        (lambda: replace(PLAN, harm_alpha=1.0), "harm_alpha"),
        (lambda: replace(PLAN, cap=0), "cap"),
        (lambda: replace(PLAN, block=(1, 0)), "block"),
    ],
)
def test_a_plan_that_cannot_be_followed_says_why(make: object, words: str) -> None:
    assert callable(make)
    with pytest.raises(PlanError, match=words):
        make()


def test_badness_runs_from_best_to_worst() -> None:
    latency = Metric("latency", kind="Bounded", low=100, high=1100)
    assert [latency.badness(value) for value in (0, 100, 600, 5000)] == [0, 0, 0.5, 1]
    assert latency.value(0.5) == 600
    score = Metric("score", kind="Bounded", better="Higher", high=10)
    assert [score.badness(value) for value in (0, 4, 10)] == [1, 0.6, 0]
    assert score.value(0.6) == pytest.approx(4)
    assert Metric("errors").badness(True) == 1


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_what_is_no_number_is_no_value(value: float | None) -> None:
    assert Metric("errors").badness(value) is None


def test_any_change_is_another_plan() -> None:
    assert PLAN.digest == AnalysisPlan((Metric("errors", Margin(absolute=0.01)),)).digest
    others = [
        replace(PLAN, cap=10),
        replace(PLAN, metrics=(Metric("errors", Margin(absolute=0.02)),)),
        replace(PLAN, block=(1, 19)),
    ]
    assert len({plan.digest for plan in (PLAN, *others)}) == 4


def test_a_norm_makes_another_plan_and_its_absence_the_same_as_ever() -> None:
    assert PLAN.digest == "1381316f32697a49b5cd064d347985289e46891bd19f7c61c58645650d635f9e"
    liked = Metric("liked", Margin(absolute=0.1), "Bounded", "Higher")
    plans = (AnalysisPlan((each,)) for each in (liked, replace(liked, norm=0.5)))
    assert len({plan.digest for plan in plans}) == 2
