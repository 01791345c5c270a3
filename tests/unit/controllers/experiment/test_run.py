"""An experiment from its first players to everyone, or back."""

import pytest

from controllers.experiment import plan
from controllers.plan import Children, Plan
from tests.unit.controllers.builders import condition
from tests.unit.controllers.experiment.script import (
    Script,
    better,
    equal,
    experiment,
    proven,
    running,
    world,
    worse,
)


def test_it_begins_with_its_first_step_and_a_checkpoint_before_anybody_is_in_it() -> None:
    script = Script()
    status = script.look()
    assert (status.phase, status.step, status.traffic_percent) == ("Running", 1, 5)
    assert [obj["metadata"]["name"] for obj in script.plan.first] == ["richer-experiment"]
    assert script.plan.first[0]["data"]["rollout"] == status.salt
    (change,) = status.changes
    assert (change.target, change.before, change.value) == ("tunable/quest-gold", "120", "140")
    assert "5 % of new sessions have quest-gold 140" in (status.message or "")
    assert condition(script.plan).reason == "ExperimentRunning"


def test_steps_go_by_time_and_the_last_one_waits_for_proof() -> None:
    script = running()
    assert script.look(59).step == 1
    assert script.look(1).traffic_percent == 50
    script.play(equal, 15)
    status = script.look(60)
    assert (status.phase, status.step) == ("Running", 2)
    assert "everyone follows when it is proven" in (status.message or "")


def test_what_is_proven_awaits_approval_and_then_the_world_takes_it_over() -> None:
    script = proven()
    status = script.status
    assert (status.phase, status.next) == ("AwaitingApproval", "Approve")
    assert status.effect is not None
    assert status.effect.startswith("+")
    assert status.effect.endswith(" pp")
    assert status.guardrails_proven == "1/1"
    assert script.ask("Approve") == ("Done", "everyone gets it")
    assert (script.status.phase, script.status.traffic_percent) == ("Promoting", 100)
    assert script.look().phase == "Promoting"
    script.look_at_the_world()
    assert script.look().phase == "Promoted"
    assert condition(script.plan).reason == "Promoted"
    assert script.plan.again_in is None


def test_with_automatic_promotion_proof_is_enough() -> None:
    script = proven(promotion={"approval": "Automatic"})
    assert script.status.phase == "Promoting"
    script.look_at_the_world()
    assert script.look().phase == "Promoted"


def test_what_is_worse_ends_at_the_next_look_whatever_step_it_is() -> None:
    script = running()
    script.play(worse, 100)
    status = script.look()
    assert (status.phase, status.traffic_percent, status.step) == ("RolledBack", 0, 1)
    assert status.verdict is not None
    assert status.verdict.kind == "Harm"
    assert "the canary is worse" in (status.message or "")
    (event,) = script.plan.events
    assert (event.type, event.reason) == ("Warning", "ExperimentRolledBack")


def test_an_objective_that_is_worse_is_harm_too() -> None:
    script = running(guardrails=[])
    script.play(lambda number, canary: {"joy": float(not canary)}, 50)
    assert script.look().phase == "RolledBack"


def test_what_is_no_better_is_never_promoted() -> None:
    script = running(canary={"steps": [50], "stepMinutes": 1, "maxPairs": 300})
    script.play(equal, 299)
    assert script.look(2).phase == "Running"
    script.play(equal, 1)
    status = script.look()
    assert status.phase == "Paused"
    assert status.verdict is not None
    assert status.verdict.kind == "Inconclusive"
    assert script.ask("Approve")[0] == "Refused"
    outcome, why = script.ask("Resume")
    assert outcome == "Refused"
    assert "Abort ends it" in why
    assert script.ask("Abort")[0] == "Done"
    assert script.status.phase == "RolledBack"


def test_no_data_is_inconclusive_at_the_deadline() -> None:
    how = {"steps": [50], "stepMinutes": 10, "deadlineMinutes": 5}
    script = running(canary=how, whenInconclusive="RollBack")
    assert script.look(14).phase == "Running"
    status = script.look(1)
    assert status.phase == "Inconclusive"
    assert "no data before the deadline" in (status.message or "")
    assert condition(script.plan).reason == "Inconclusive"


def test_a_broken_split_ends_it() -> None:
    script = running()
    script.play(equal, 300)
    script._entries = [each for each in script._entries if each.arm == "Canary"]
    assert script.look().phase == "RolledBack"
    assert "the split is broken" in (script.status.message or "")


def test_proof_that_is_lost_while_a_person_thinks_is_lost() -> None:
    script = running(canary={"steps": [50], "stepMinutes": 1})
    script.look(2)
    while script.status.phase != "AwaitingApproval":
        script.play(better, 1)
        script.look()
    script.play(lambda number, canary: {"joy": float(not canary), "quit": 0.0}, 3)
    assert script.look().phase == "Running"
    assert script.ask("Approve")[0] == "Refused"


def test_harm_ends_it_while_a_person_thinks() -> None:
    script = proven()
    script.play(worse, 400)
    assert script.look().phase == "RolledBack"


def test_a_pause_stops_its_time_and_nothing_else() -> None:
    script = running()
    script.look(30)
    assert script.ask("Pause")[0] == "Done"
    assert (script.status.phase, script.status.traffic_percent) == ("Paused", 5)
    assert script.look(600).step == 1
    assert script.ask("Resume")[0] == "Done"
    assert script.look(29).step == 1
    assert script.look(1).step == 2
    script.ask("Pause")
    script.play(worse, 100)
    assert script.look().phase == "RolledBack"


def test_a_person_skips_a_step_and_not_the_last() -> None:
    script = running()
    assert script.ask("SkipStep") == ("Done", "it goes on")
    assert script.status.traffic_percent == 50
    outcome, why = script.ask("SkipStep")
    assert outcome == "Refused"
    assert "when it is proven" in why


@pytest.mark.parametrize("action", ["Approve", "Resume", "Retry"])
def test_what_makes_no_sense_is_refused_and_changes_nothing(action: str) -> None:
    script = running()
    before = script.look().dump()
    outcome, why = script.ask(action)
    assert outcome == "Refused"
    assert why
    after = script.status.dump()
    assert {key: after[key] for key in after if "equest" not in key} == before


def test_retry_begins_again_with_another_salt_and_counts_anew() -> None:
    script = running()
    salt = script.status.salt
    script.play(worse, 100)
    script.look()
    assert script.ask("Retry")[0] == "Done"
    status = script.status
    assert (status.phase, status.number, status.verdict) == ("Running", 2, None)
    assert status.salt != salt
    assert script.plan.first[0]["data"]["rollout"] == status.salt


def test_without_a_word_what_has_ended_stays_ended() -> None:
    script = running()
    script.play(worse, 100)
    script.look()
    before = script.status
    assert script.look(10_000) == before
    assert script.plan.again_in is None
    assert script.plan.events == ()


def test_another_spec_begins_another_run_after_the_end() -> None:
    script = running()
    script.ask("Abort")
    status = script.status
    changed = experiment(changes=[{"tunable": {"name": "quest-gold", "value": "130"}}])
    script.experiment = changed.model_copy(update={"status": status})
    assert (script.look().phase, script.status.number) == ("Running", 2)


def test_the_log_tells_what_happened_in_order() -> None:
    script = proven(expectedEffect={"metric": "joy", "points": "5"})
    script.ask("Approve")
    script.look_at_the_world()
    script.look()
    lines = [line.message for line in script.status.log]
    assert [line.partition(":")[0] for line in lines] == [
        "step 1",
        "step 2",
        "it is proven and awaits a person's word",
        "a person approved it",
        "joy was foretold to be 5 points better; it is 0.9 against 0.5 in the baseline",
        "everyone has quest-gold 140",
    ]


def test_it_says_how_many_pairs_it_takes_before_it_begins_and_how_long_when_it_is_seen() -> None:
    script = Script(storytellers=())
    status = script.look()
    assert status.phase == "Waiting"
    assert status.required_pairs is not None
    assert f"at most about {status.required_pairs} pairs" in (status.message or "")
    assert "unknown until sessions are seen" in (status.message or "")
    most = status.required_pairs
    script.storytellers = ("bard",)
    script.look()
    script.play(lambda number, canary: {"joy": float(number % 10 != 9), "quit": 0.0}, 30)
    status = script.look(30)
    assert status.required_pairs is not None
    assert status.required_pairs < most
    assert status.takes == "it will not be proven if it goes on like this"
    script.play(better, 10)
    assert "about" in (script.look(10).takes or "")


def test_a_larger_need_than_the_cap_is_said_at_once() -> None:
    small = {"metric": "joy", "minimumEffectPoints": "1"}
    script = Script(experiment(objective=small), storytellers=())
    assert "more than canary.maxPairs, 5000" in (script.look().message or "")


def test_a_deleted_one_does_nothing() -> None:
    script = running()
    meta = script.experiment.metadata.model_copy(
        update={"deletion_timestamp": "2026-11-23T12:00:00Z"}
    )
    script.experiment = script.experiment.model_copy(update={"metadata": meta})
    assert plan(script.observed, script.now) == Plan()


def test_a_checkpoint_of_somebody_else_is_never_taken_and_nothing_begins() -> None:
    foreign = {"kind": "ConfigMap", "metadata": {"name": "richer-experiment", "uid": "x"}}
    script = Script(children=Children([foreign]))
    status = script.look()
    assert status.phase is None
    assert condition(script.plan).reason == "ChildConflict"


def test_a_look_that_is_repeated_says_the_same() -> None:
    script = running()
    script.play(better, 40)
    first = script.look()
    assert script.look() == first
    assert script.plan.events == ()


#: Until a quarter past one.
RAIDS = {"starts": "2026-11-23T11:00:00Z", "ends": "2026-11-23T13:15:00Z"}
UNTIL = "freeze window raids lasts until 2026-11-23T13:15:00Z"


def freeze(script: Script, **once: str) -> None:
    """In the World nothing begins by itself for some hours."""
    script.world = world(freezeWindows=[{"name": "raids", "once": RAIDS | once}])


def test_in_a_freeze_none_begins_and_it_says_until_when() -> None:
    script = Script()
    freeze(script)
    status = script.look()
    assert (status.phase, status.next) == ("Waiting", UNTIL)
    assert UNTIL in (status.message or "")
    assert script.plan.again_in == 75 * 60
    assert script.look(75).phase == "Running"


def test_in_a_freeze_no_step_ends_by_itself_and_whoever_asks_goes_on() -> None:
    script = running()
    freeze(script)
    status = script.look(61)
    assert (status.phase, status.step, status.next) == ("Running", 1, UNTIL)
    assert "and it goes on by itself no sooner" in (status.message or "")
    outcome, said = script.ask("SkipStep")
    assert (outcome, said) == ("Done", f"it goes on, though {UNTIL}")
    assert "FreezeOverridden" in [event.reason for event in script.plan.events]
    assert script.status.step == 2
    assert script.ask("SkipStep")[0] == "Refused"
    assert "FreezeOverridden" not in [event.reason for event in script.plan.events]


def test_in_a_freeze_nothing_is_promoted_by_itself_and_harm_goes_back() -> None:
    ends = {"ends": "2026-11-24T12:00:00Z"}
    script = running(promotion={"approval": "Automatic"})
    script.look(61)
    freeze(script, **ends)
    script.play(better, 200)
    status = script.look(61)
    assert status.verdict is not None
    assert (status.phase, status.verdict.kind) == ("Running", "Proven")
    assert script.look(24 * 60).phase == "Promoting"
    other = running()
    freeze(other, **ends)
    other.play(worse, 200)
    assert other.look().phase == "RolledBack"
    assert other.look().phase == "RolledBack"
    assert other.ask("Retry")[1].startswith("it begins again, though freeze window raids")
    assert other.status.phase == "Running"


def test_in_a_freeze_a_person_is_asked_and_may_approve() -> None:
    script = running()
    script.look(61)
    freeze(script, ends="2026-11-24T12:00:00Z")
    script.play(better, 200)
    assert script.look(61).phase == "AwaitingApproval"
    assert script.ask("Approve")[1].startswith("everyone gets it, though freeze window raids")
    script.look_at_the_world()
    assert script.look().phase == "Promoted"
