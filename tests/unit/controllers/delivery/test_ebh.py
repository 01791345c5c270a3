"""e-BH: its definition, and that more metrics do not make more alarms."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from controllers.delivery.ebh import bar, discoveries

logs = st.lists(st.floats(-20, 20), min_size=1, max_size=8)
alphas = st.sampled_from([0.01, 0.05, 0.5])


def by_definition(log_e: list[float], alpha: float) -> list[bool]:
    ordered = sorted(log_e, reverse=True)
    most = max(
        (
            k
            for k, value in enumerate(ordered, start=1)
            if value >= math.log(len(log_e) / alpha) - math.log(k)
        ),
        default=0,
    )
    return [most > 0 and value >= ordered[most - 1] for value in log_e]


@given(logs, alphas)
def test_it_finds_what_the_definition_finds(log_e: list[float], alpha: float) -> None:
    assert discoveries(log_e, alpha).tolist() == by_definition(log_e, alpha)


@given(logs, alphas)
def test_a_metric_without_evidence_beside_adds_no_discovery(
    log_e: list[float], alpha: float
) -> None:
    with_calm = discoveries([*log_e, -1.0], alpha)
    alone = discoveries(log_e, alpha)
    assert not (with_calm[:-1] & ~alone).any()


@given(logs, alphas, st.data())
def test_more_evidence_loses_no_discovery(
    log_e: list[float], alpha: float, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(log_e) - 1))
    more = [value + 3 * (place == at) for place, value in enumerate(log_e)]
    assert not (discoveries(log_e, alpha) & ~discoveries(more, alpha)).any()


def test_one_of_three_metrics_needs_three_hundred() -> None:
    assert bar(3, 0.01) == 300
    assert discoveries([math.log(301), 0, 0], 0.01).tolist() == [True, False, False]
    assert not discoveries([math.log(299), 0, 0], 0.01).any()


def test_runs_side_by_side_are_judged_apart() -> None:
    found = discoveries(np.log([[700.0, 1.0], [1.0, 1.0], [101.0, 110.0]]), 0.01)
    assert found.tolist() == [[True, False], [False, False], [True, True]]
