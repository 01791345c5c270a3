"""What keeps an experiment from running, in words; and who of several goes first."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.experiment.terms import AT_ONCE, Terms, agreed
from controllers.experiment.trials import trials
from controllers.plan import Object
from crds import EvolutionExperiment
from tests.unit.controllers.builders import condition
from tests.unit.controllers.experiment.script import (
    ASH,
    GOLD,
    HOUR,
    JOY,
    QUIT,
    Script,
    better,
    experiment,
    running,
    world,
)


def tuned(name: str, value: str) -> dict[str, Any]:
    return {"changes": [{"tunable": {"name": name, "value": value}}]}


def terms(
    one: EvolutionExperiment,
    *others: EvolutionExperiment,
    storytellers: tuple[str, ...] = ("bard",),
) -> Terms:
    return agreed(one, world(), (one, *others), storytellers)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (tuned("quest-silver", "1"), "has no tunable quest-silver; add it to spec.tunables"),
        (tuned("quest-gold", "much"), "of type Integer"),
        (tuned("quest-gold", "141"), "at most bounds.maxStep, 20, from 120"),
        (tuned("quest-gold", "301"), "above bounds.max, 300"),
        (tuned("hour", "noon"), "one of dusk, dawn"),
        (tuned("quest-gold", "120"), "is 120 already, so there is nothing to try"),
        ({"objective": {"metric": "fun", "minimumEffectPoints": "1"}}, "nobody counts fun"),
        ({"guardrails": [{"metric": "fun"}]}, "declare it in spec.metrics of World ember"),
    ],
)
def test_what_may_not_run_says_why_and_waits_to_be_mended(spec: dict[str, Any], words: str) -> None:
    script = Script(experiment(**spec))
    status = script.look()
    assert status.phase == "Invalid"
    assert words in (status.message or "")
    assert condition(script.plan).reason == "ExperimentInvalid"
    assert condition(script.plan, "Stalled").status == "True"
    assert script.plan.first == ()


ASKED = {
    "low": "0",
    "high": "1",
    "prometheus": {"query": 'x{rollout="$rollout",arm="$arm"}[$window]'},
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scope": "Market"}, "joy has scope Market in the World: both arms share"),
        (
            {"maturesAfterMinutes": 60},
            "matures after 60 minutes, and canary.windowSeconds of 600 end",
        ),
        (ASKED, "joy is asked of Prometheus, which rollouts alone do"),
    ],
)
def test_a_metric_that_no_unit_can_be_judged_by_is_said_so(changes: Object, words: str) -> None:
    script = Script()
    script.world = world(
        metrics=[JOY | changes, QUIT], prometheus={"address": "http://prometheus:9090"}
    )
    assert script.look().phase == "Invalid"
    assert words in (script.status.message or "")


def test_a_locked_tunable_is_never_touched() -> None:
    script = Script()
    script.edit_world(locked=True)
    assert script.look().phase == "Invalid"
    assert "tunable quest-gold is locked" in (script.status.message or "")
    script.edit_world()
    assert script.look().phase == "Running"


def test_a_lock_in_the_middle_ends_it_and_taking_it_away_begins_it_anew() -> None:
    script = running()
    script.play(better, 50)
    script.edit_world(locked=True)
    status = script.look()
    assert (status.phase, status.traffic_percent) == ("Invalid", 0)
    script.edit_world()
    status = script.look()
    assert (status.phase, status.number, status.verdict) == ("Running", 2, None)


def test_another_default_or_metric_in_the_middle_begins_it_anew() -> None:
    script = running()
    script.edit_world(default="130")
    assert script.look().number == 2
    assert script.status.changes[0].before == "130"
    script.world = world(tunables=[{**GOLD, "default": "130"}], metrics=[QUIT])
    assert script.look().phase == "Invalid"


def test_what_does_not_matter_to_it_changes_nothing() -> None:
    script = running()
    script.edit_world(description="Gold for a long quest.")
    assert script.look().number == 1


def test_defaults_that_are_written_down_are_no_other_experiment() -> None:
    short = {"steps": [5, 50], "stepMinutes": 60}
    long = {**short, "windowSeconds": 600, "maxPairs": 5000, "rollbackSeconds": 30}
    one, other = (terms(experiment(canary=how)) for how in (short, long))
    assert (one.digest, one.spec_digest) == (other.digest, other.spec_digest)
    assert terms(experiment(canary={**short, "maxPairs": 4999})).spec_digest != one.spec_digest


def test_without_a_world_or_a_gateway_it_waits() -> None:
    script = Script(world=None)
    assert script.look().phase == "Waiting"
    assert condition(script.plan).reason == "WorldNotFound"
    assert condition(script.plan, "Reconciling").status == "True"
    script.world, script.storytellers = world(), ()
    assert "no Storyteller of World ember" in (script.look().message or "")
    assert condition(script.plan).reason == "ExperimentWaiting"
    script.storytellers = ("bard",)
    assert script.look().phase == "Running"
    script.storytellers = ()
    assert script.look().phase == "Running"


def in_phase(phase: str, name: str, started: str = "2026-11-21T00:00:00Z", **more: Any) -> Any:
    status = {"phase": phase, "startedAt": started} if phase else {}
    return experiment(name, status, **more)


def test_of_two_on_one_tunable_the_older_runs_and_the_other_says_for_whom_it_waits() -> None:
    older = in_phase("", "older", created="2026-11-19T00:00:00Z")
    newer = in_phase("", "newer")
    assert terms(older, newer).waits is None
    assert terms(newer, older).waits == (
        "EvolutionExperiment older comes first and changes quest-gold too; one at a time"
    )
    running = in_phase("Running", "newer")
    assert "newer runs and changes quest-gold too" in (terms(older, running).waits or "")
    assert terms(newer, in_phase("Invalid", "older", created="2026-11-19T00:00:00Z")).waits is None


@pytest.mark.parametrize("phase", ["RolledBack", "Inconclusive", "Promoted", "Invalid"])
def test_who_has_ended_holds_up_nobody(phase: str) -> None:
    assert terms(experiment(), in_phase(phase, "a-first")).waits is None


@pytest.mark.parametrize("phase", ["Running", "Paused", "AwaitingApproval", "Promoting"])
def test_who_runs_holds_up_what_changes_the_same_and_nothing_else(phase: str) -> None:
    assert terms(experiment(), in_phase(phase, "z-last")).waits
    assert terms(experiment(), in_phase(phase, "z-last", **tuned("hour", "dawn"))).waits is None


def test_of_two_that_began_at_once_the_later_one_yields_and_begins_anew() -> None:
    script = running()
    script.others = (in_phase("Running", "rival"),)
    status = script.look()
    assert (status.phase, status.traffic_percent) == ("Waiting", 0)
    assert "rival runs" in (status.message or "")
    script.others = (in_phase("Running", "rival", started="2026-11-24T00:00:00Z"),)
    assert terms(in_phase("Running", "richer"), *script.others).waits is None


def test_a_deleted_rival_holds_up_nobody() -> None:
    rival = in_phase("Running", "rival")
    meta = rival.metadata.model_copy(update={"deletion_timestamp": "2026-11-23T12:00:00Z"})
    assert terms(experiment(), rival.model_copy(update={"metadata": meta})).waits is None


def test_no_more_run_at_once_than_a_session_has_room_for() -> None:
    running = [in_phase("Running", f"z-{at}", **tuned(f"t-{at}", "1")) for at in range(AT_ONCE)]
    assert "6 experiments of the World run already" in (terms(experiment(), *running).waits or "")
    assert terms(experiment(), *running[1:]).waits is None


@given(
    phases=st.lists(
        st.sampled_from(["", "Waiting", "Running", "Promoting", "Invalid"]), max_size=4
    ),
    created=st.lists(st.integers(10, 12), min_size=5, max_size=5),
)
def test_never_may_two_begin_on_one_tunable(phases: list[str], created: list[int]) -> None:
    def one(at: int, phase: str) -> EvolutionExperiment:
        days = f"2026-11-{created[at]}T00:00:00Z"
        found: EvolutionExperiment = in_phase(phase, f"e-{at}", started=days, created=days)
        return found

    everyone = [one(at, phase) for at, phase in enumerate([*phases, ""])]
    may_run = [
        each.metadata.name
        for each in everyone
        if each.status.phase != "Invalid" and terms(each, *everyone).waits is None
    ]
    assert len(may_run) == 1


def test_a_promoted_value_is_what_the_next_one_begins_from() -> None:
    holds = {
        "target": "tunable/quest-gold",
        "value": "140",
        "experiment": "first",
        "salt": "5a17",
        "specDigest": Script(experiment()).look().changes[0].spec_digest,
    }
    promoted = world({"promoted": [holds]})
    again = Script(experiment(**tuned("quest-gold", "160")), promoted)
    assert again.look().changes[0].before == "140"
    assert Script(experiment(), promoted).look().phase == "Invalid"


def test_several_changes_are_tried_together() -> None:
    both = [*tuned("quest-gold", "140")["changes"], *tuned("ash-fall", "0.5")["changes"]]
    status = Script(experiment(changes=both)).look()
    assert [each.target for each in status.changes] == ["tunable/ash-fall", "tunable/quest-gold"]
    assert (ASH["default"], HOUR["default"]) == ("0.25", "dusk")


def test_who_is_left_out_is_known_to_the_world_and_told_to_the_gateways() -> None:
    script = Script(experiment(exclude=["minors", "elders"]))
    assert script.look().phase == "Invalid"
    assert "World ember has no cohort elders, minors; add it to spec.cohorts" in (
        script.status.message or ""
    )
    script.world = world(cohorts=[{"name": "elders"}, {"name": "minors"}])
    assert script.look().phase == "Running"
    (trial,) = trials(script.world, [script.experiment])
    assert trial.exclude == ["elders", "minors"]
    script.world = world(cohorts=[{"name": "elders"}])
    assert script.look().phase == "Invalid"
