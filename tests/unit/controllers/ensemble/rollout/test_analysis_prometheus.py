"""What Prometheus says of a rollout, beside its sessions."""

import json
from dataclasses import replace
from typing import Any

import pytest

from controllers.delivery.windows import Told, Window
from controllers.ensemble.rollout.terms import agreed
from controllers.plan import Object
from crds.rollout import Rollout, RolloutVerdict
from tests.unit.controllers.builders import DEFAULTS, condition, llamacpp, world
from tests.unit.controllers.ensemble.rollout.test_analysis import (
    CHANGED,
    ERRORS,
    Gateway,
    checkpoint,
    history,
)
from tests.unit.controllers.ensemble.rollout.test_rollout import TIMED, Stage

ADDRESS = "http://prometheus:9090"
QUESTS = {
    "name": "quests-failed",
    "direction": "LowerIsBetter",
    "low": "0",
    "high": "0.1",
    "prometheus": {"query": 'x{rollout="$rollout",arm="$arm"}[$window]'},
}
GUARD = {"metric": "quests-failed", "marginPoints": "10"}


def begun(*guardrails: Object, allowed: tuple[str, ...] = (ADDRESS,), **metric: Any) -> Stage:
    """A stage in the first step of a rollout that Prometheus is asked about."""
    stage = Stage(steps=[TIMED])
    stage.world = world(metrics=[{**QUESTS, **metric}], prometheus={"address": ADDRESS})
    stage.defaults = replace(DEFAULTS, prometheus=allowed)
    assert stage.rollout is not None
    stage.rollout |= {"guardrails": list(guardrails or (ERRORS, GUARD))}
    return stage.edit(llamacpp("sage"), CHANGED)


def windows(first: int, count: int, canary: float | None, baseline: float = 0.01) -> Told:
    def values(value: float | None) -> dict[str, float]:
        return {} if value is None else {"quests-failed": value}

    numbers = range(first, first + count)
    return Told(
        tuple(Window(n, values(canary), values(baseline)) for n in numbers), numbers[-1], False
    )


def hear(stage: Stage, told: Told) -> RolloutVerdict:
    stage.told = told
    stage.look()
    assert stage.status.verdict is not None
    return stage.status.verdict


def test_everyone_follows_when_sessions_and_windows_both_prove_it() -> None:
    stage, gateway = begun(), Gateway()
    stage.see(gateway.play(stage, 300))
    assert stage.status.verdict is not None
    assert stage.status.verdict.kind == "Undecided"
    assert "waiting for the first window of which Prometheus" in stage.status.message
    verdict = hear(stage, windows(100, 80, 0.01))
    assert (verdict.kind, verdict.pairs) == ("Proven", 300)
    assert [(each.name, each.standing) for each in verdict.metrics] == [
        ("member-errors", "Proven"),
        ("quests-failed", "Proven"),
    ]
    stage.wait(10)
    assert stage.phase == "Promoted"


def test_what_prometheus_finds_worse_is_sent_back() -> None:
    stage, gateway = begun(), Gateway()
    stage.see(gateway.play(stage, 300))
    assert hear(stage, windows(100, 40, 0.08)).kind == "Harm"
    assert stage.phase == "Aborted"


def test_a_window_counts_once_however_often_it_is_told_and_looks_are_cut() -> None:
    whole, cut = begun(), begun()
    hear(whole, windows(100, 30, 0.02))
    hear(cut, windows(100, 10, 0.02))
    hear(cut, windows(105, 10, 0.02))
    hear(cut, windows(100, 30, 0.02))
    assert checkpoint(whole)["windows.json"] == checkpoint(cut)["windows.json"]


def test_windows_without_a_word_change_nothing_and_are_passed_only_where_more_wait() -> None:
    stage = begun()
    hear(stage, windows(100, 3, 0.02))
    before = checkpoint(stage)
    hear(stage, Told(through=150))
    hear(stage, Told())
    assert checkpoint(stage) == before
    hear(stage, Told(through=150, more=True))
    assert json.loads(checkpoint(stage)["windows.json"])["cursor"] == {"prometheus": 150}


def test_a_prometheus_that_says_nothing_never_promotes_and_the_status_says_why() -> None:
    stage, gateway = begun(), Gateway()
    stage.see(gateway.play(stage, 300))
    silent = Told(trouble=f"Prometheus at {ADDRESS} does not answer (TimeoutError)")
    for _ in range(20):
        hear(stage, silent)
        stage.wait(1)
    assert stage.phase == "Stepping"
    hear(stage, silent)
    stage.told = silent
    stage.look(1)
    assert "does not answer (TimeoutError)" in stage.status.message
    stage.wait(1440)
    assert (stage.phase, stage.status.verdict and stage.status.verdict.kind) == (
        "Paused",
        "Inconclusive",
    )


def test_while_it_is_not_ready_again_what_counted_is_kept() -> None:
    stage = begun()
    hear(stage, windows(100, 20, 0.02))
    before = checkpoint(stage)
    new = stage.member().revision
    stage.ready = lambda name: int(new not in name)
    stage.look()
    assert stage.phase == "Starting"
    assert checkpoint(stage) == before


@pytest.mark.parametrize("allowed", [(), ("http://elsewhere:9090",)])
def test_an_address_that_is_not_allowed_is_a_fault_and_keeps_everyone_back(
    allowed: tuple[str, ...],
) -> None:
    stage = begun(allowed=allowed)
    assert stage.phase == "Starting"
    assert "split" not in stage.table
    assert f"({ADDRESS}) is none that this operator may call" in stage.status.message
    assert condition(stage.plan).reason == "GuardrailUnknown"


def test_prometheus_alone_is_not_enough() -> None:
    stage = begun(GUARD)
    assert "Prometheus alone is asked (quests-failed)" in stage.status.message


def test_another_query_begins_the_rollout_again() -> None:
    stage = begun()
    first = stage.status
    query = {"query": 'y{rollout="$rollout",arm="$arm"}[$window]'}
    stage.world = world(metrics=[{**QUESTS, "prometheus": query}], prometheus={"address": ADDRESS})
    stage.look()
    assert stage.status.number == first.number + 1


def policy(window: int, *metrics: str) -> Rollout:
    guardrails = [{"metric": metric} for metric in metrics]
    return Rollout.model_validate(
        {"steps": [TIMED], "guardrails": guardrails, "analysis": {"windowSeconds": window}}
    )


@pytest.mark.parametrize(("watched", "seconds"), [(30, 60), (600, 600)])
def test_a_window_is_no_shorter_than_a_session_is_watched(watched: int, seconds: int) -> None:
    terms = agreed(
        policy(watched, "member-errors", "quests-failed"),
        world(metrics=[QUESTS], prometheus={"address": ADDRESS}),
        (ADDRESS,),
    )
    assert terms.queries is not None
    assert (terms.queries.seconds, terms.queries.lag) == (seconds, 30)


def test_the_sources_share_the_rate_of_false_alarms() -> None:
    terms = agreed(
        policy(60, "member-errors", "fallbacks", "quests-failed"),
        world(metrics=[QUESTS], prometheus={"address": ADDRESS}),
        (ADDRESS,),
    )
    assert terms.plan is not None
    assert terms.queries is not None
    assert terms.plan.harm_alpha + terms.queries.plan.harm_alpha == pytest.approx(0.01)


def test_the_history_tells_of_both_sources() -> None:
    stage, gateway = begun(), Gateway()
    stage.see(gateway.play(stage, 50))
    hear(stage, windows(100, 20, 0.02))
    seen = history(stage)
    assert seen.criteria is not None
    assert [each.name for each in seen.criteria.metrics] == ["member-errors", "quests-failed"]
    assert seen.criteria.harm_bar == pytest.approx(200)
    assert seen.looks[-1].metrics[1].canary == 0.02
