"""What is kept of an analysis stays small, and its ends stay."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.conditions import timestamp
from controllers.delivery import history
from controllers.delivery.history import FIRST_ENTRIES, MOST_ENTRIES, MOST_LOOKS
from controllers.delivery.plan import AnalysisPlan, Margin, Metric
from crds.history import Figures, History, Kind, Look
from tests.unit.controllers.builders import NOW

CRITERIA = history.criteria(AnalysisPlan((Metric("errors", Margin(absolute=0.02)),)))
#: Seconds between looks.
GAPS = st.lists(st.integers(0, 4000), min_size=1, max_size=3 * MOST_LOOKS)
MARKS = st.lists(
    st.tuples(st.sampled_from(["Phase", "Verdict", "Request"]), st.sampled_from("abc")),
    max_size=2 * MOST_ENTRIES,
)


def look(seconds: int, blocks: int) -> Look:
    return Look(
        time=timestamp(NOW + timedelta(seconds=seconds)),
        blocks=blocks,
        assigned=(blocks, blocks),
        split_log_e=0.0,
        metrics=[Figures(canary=0.01, baseline=0.01, lower=-0.01, upper=0.01, log_e=-0.1)],
    )


def looked(gaps: list[int]) -> tuple[History, list[Look]]:
    made, at, kept = [], 0, History(criteria=CRITERIA)
    for blocks, gap in enumerate(gaps):
        at += gap
        made.append(look(at, blocks))
        kept = history.with_look(kept, made[-1])
    return kept, made


@given(GAPS)
def test_looks_are_bounded_in_order_and_keep_the_first_and_the_last(gaps: list[int]) -> None:
    kept, made = looked(gaps)
    assert len(kept.looks) <= MOST_LOOKS
    assert (kept.looks[0], kept.looks[-1]) == (made[0], made[-1])
    places = [made.index(each) for each in kept.looks]
    assert places == sorted(set(places))
    inner = kept.looks[:-1]
    apart = [history._seconds(a, b) for a, b in pairwise(inner)]
    assert min(apart, default=kept.spacing) >= kept.spacing


@given(GAPS)
def test_what_is_kept_is_the_same_however_often_it_is_written_and_read(gaps: list[int]) -> None:
    kept, made = looked(gaps)
    again = History(criteria=CRITERIA)
    for each in made:
        again = history.parse(history.dump(history.with_look(again, each)))
    assert again == kept


def test_steady_looks_are_thinned_evenly_and_no_more_than_needed() -> None:
    kept, _ = looked([30] * 2000)
    assert len(kept.looks) > MOST_LOOKS / 2
    inner = kept.looks[:-1]
    assert max(history._seconds(a, b) for a, b in pairwise(inner)) <= 2 * kept.spacing


def test_the_largest_history_is_far_below_what_a_config_map_holds() -> None:
    metrics = tuple(Metric("m" * 55 + f"-{at}", Margin(absolute=0.02)) for at in range(8))
    kept = History(criteria=history.criteria(AnalysisPlan(metrics)))
    value = -0.01234
    figures = Figures(canary=value, baseline=value, lower=value, upper=value, log_e=-12.34)
    for at in range(MOST_LOOKS):
        each = look(30 * at, 10**5).model_copy(update={"metrics": [figures] * 8})
        kept = history.with_look(kept, each)
    for at in range(MOST_ENTRIES):
        kept = history.with_entry(kept, timestamp(NOW), "Phase", str(at), "w" * 999, 50)
    assert len(history.dump(kept)) < 2**20 / 6


@given(MARKS)
def test_a_state_is_logged_once_and_its_return_again(marks: list[tuple[Kind, str]]) -> None:
    kept = History()
    said: dict[Kind, str] = {}
    for kind, mark in marks:
        before = kept
        kept = history.with_entry(kept, timestamp(NOW), kind, mark, "so it is")
        assert (kept != before) == (said.get(kind) != mark)
        assert history.with_entry(kept, timestamp(NOW), kind, mark, "otherwise") == kept
        said[kind] = mark
    assert len(kept.log) <= MOST_ENTRIES


def test_a_log_that_is_full_keeps_how_it_began_and_what_came_last() -> None:
    kept = History()
    for at in range(MOST_ENTRIES + 50):
        kept = history.with_entry(kept, timestamp(NOW), "Phase", str(at), "moved")
    marks = [int(entry.mark) for entry in kept.log]
    assert marks[:FIRST_ENTRIES] == list(range(FIRST_ENTRIES))
    assert marks[-1] == MOST_ENTRIES + 49
    assert len(marks) == MOST_ENTRIES


@pytest.mark.parametrize(
    "damage", [{"time": "yesterday"}, {"time": "2026-11-23T12:00:00"}, {"metrics": []}]
)
def test_a_look_that_cannot_be_drawn_makes_an_empty_history(damage: dict[str, Any]) -> None:
    kept, _ = looked([1])
    assert history.parse(history.dump(kept)) == kept
    spoiled = kept.model_copy(update={"looks": [look(0, 1).model_copy(update=damage)]})
    assert history.parse(history.dump(spoiled)) == History()


def test_margins_are_shown_as_they_were_agreed() -> None:
    plan = AnalysisPlan(
        (
            Metric("errors", Margin(absolute=0.02)),
            Metric("gold", Margin(relative=0.1), "Bounded", "Higher", 0.0, 500.0),
            Metric("better", Margin()),
            Metric("watched"),
        )
    )
    told = history.criteria(plan)
    margins = [(each.margin, each.relative_margin) for each in told.metrics]
    assert margins == [(0.02, None), (None, 0.1), (0.0, None), (None, None)]
    assert (told.harm_bar, told.split_bar, told.confidence, told.cap) == (400, 1000, 95, 5000)
