"""What was proven stands in the World and is what everyone reads, until a person edits it."""

import json
from typing import Any

from controllers.experiment.trials import trials
from controllers.observed import WorldObserved
from controllers.plan import Children, Plan
from controllers.world import plan
from crds.config import CONFIG_KEY, WorldConfig
from tests.unit.controllers.builders import DEFAULTS, NOW
from tests.unit.controllers.experiment.script import (
    ASH,
    GOLD,
    HOUR,
    Script,
    experiment,
    proven,
    running,
    world,
)


def told(result: Plan) -> WorldConfig:
    """What the configuration service is told."""
    made = next(obj for obj in result.apply if obj["kind"] == "ConfigMap")
    return WorldConfig.model_validate_json(made["data"][CONFIG_KEY])


def read(result: Plan) -> dict[str, str]:
    """What everyone reads who is in no arm."""
    return {each.name: each.default for each in told(result).tunables}


def status(result: Plan) -> Any:
    assert result.status is not None
    return result.status.dump()


def promoted() -> Script:
    script = proven()
    script.ask("Approve")
    script.look_at_the_world()
    assert script.look().phase == "Promoted"
    return script


def test_while_it_runs_the_service_is_told_of_its_arms_and_everyone_reads_the_default() -> None:
    script = running()
    result = script.look_at_the_world()
    (trial,) = told(result).trials
    assert (trial.experiment, trial.salt, trial.percent) == ("richer", script.status.salt, 5)
    assert trial.tunables == {"quest-gold": "140"}
    assert trial.watched_seconds == 600
    assert read(result)["quest-gold"] == "120"
    assert "promoted" not in status(result) or status(result)["promoted"] == []


def test_with_promotion_everyone_reads_the_value_and_nobody_is_in_an_arm() -> None:
    script = proven()
    script.ask("Approve")
    result = script.look_at_the_world()
    assert told(result).trials == []
    assert read(result)["quest-gold"] == "140"
    (entry,) = status(result)["promoted"]
    assert (entry["target"], entry["value"]) == ("tunable/quest-gold", "140")
    assert (entry["experiment"], entry["salt"]) == ("richer", script.status.salt)
    shown = {each["name"]: each for each in status(result)["tunables"]}
    assert shown["quest-gold"]["source"] == "Promoted"
    assert shown["hour"]["source"] == "Default"
    assert [event.reason for event in result.events if "Promotion" in event.reason] == [
        "PromotionTaken"
    ]
    assert status(result)["config"]["digest"] == told(result).digest


def test_it_stays_when_the_experiment_is_gone() -> None:
    script = promoted()
    assert script.world is not None
    result = plan(WorldObserved(script.world, DEFAULTS), NOW)
    assert read(result)["quest-gold"] == "140"
    assert [event.reason for event in result.events if "Promotion" in event.reason] == []


def test_an_edit_of_that_very_default_wins_and_is_told() -> None:
    script = promoted()
    script.edit_world(default="130")
    result = script.look_at_the_world()
    assert read(result)["quest-gold"] == "130"
    assert status(result).get("promoted", []) == []
    (event,) = (each for each in result.events if each.reason == "PromotionOverruled")
    assert "its default was edited, to 130" in event.message
    assert script.look().phase == "Promoted"
    script.edit_world()
    assert read(script.look_at_the_world())["quest-gold"] == "120"


def test_an_edit_of_anything_else_changes_nothing() -> None:
    script = promoted()
    script.edit_world(description="Gold.", locked=True)
    assert read(script.look_at_the_world())["quest-gold"] == "140"
    assert script.world is not None
    script.world = world(script.world.status.dump(), tunables=[GOLD, {**ASH, "default": "1"}, HOUR])
    assert read(script.look_at_the_world())["quest-gold"] == "140"


def test_bounds_that_forbid_the_value_drop_it() -> None:
    script = promoted()
    script.edit_world(bounds={"max": "130"})
    result = script.look_at_the_world()
    assert read(result)["quest-gold"] == "120"
    assert "above bounds.max, 130" in str(result.events)


def test_a_tunable_that_is_taken_out_takes_its_promotion_along() -> None:
    script = promoted()
    assert script.world is not None
    script.world = world(script.world.status.dump(), tunables=[ASH])
    result = script.look_at_the_world()
    assert read(result) == {"ash-fall": "0.25"}
    assert "taken out" in str(result.events)


def test_an_edit_before_the_world_takes_it_over_wins_too() -> None:
    script = proven()
    script.ask("Approve")
    script.edit_world(default="130")
    result = script.look_at_the_world()
    assert read(result)["quest-gold"] == "130"
    assert script.look().phase == "RolledBack"
    assert "its default was edited" in (script.status.message or "")


def test_a_lock_before_the_world_takes_it_over_keeps_it_out() -> None:
    script = proven()
    script.ask("Approve")
    script.edit_world(locked=True)
    assert read(script.look_at_the_world())["quest-gold"] == "120"
    assert script.look().phase == "RolledBack"


def test_what_the_service_cannot_be_told_is_not_everyones() -> None:
    script = proven()
    script.ask("Approve")
    assert script.world is not None
    foreign = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "ember-config"}}
    seen = WorldObserved(
        script.world, DEFAULTS, experiments=(script.experiment,), children=Children([foreign])
    )
    result = plan(seen, script.now)
    assert status(result)["promoted"] == []
    assert [event for event in result.events if "Promotion" in event.reason] == []
    script.world = script.world.model_copy(update={"status": result.status})
    assert script.look().phase == "Promoting"
    script.look_at_the_world()
    assert script.look().phase == "Promoted"


def test_of_several_changes_all_are_taken_over_or_none() -> None:
    both = [
        {"tunable": {"name": "quest-gold", "value": "140"}},
        {"tunable": {"name": "hour", "value": "dawn"}},
    ]
    script = proven(changes=both)
    script.ask("Approve")
    held = script.world
    assert held is not None
    script.edit_world(locked=True)
    assert read(script.look_at_the_world())["hour"] == "dusk"
    script.world = held
    found = read(script.look_at_the_world())
    assert (found["quest-gold"], found["hour"]) == ("140", "dawn")
    assert script.look().phase == "Promoted"


def test_the_next_promotion_takes_the_place_of_the_last() -> None:
    script = promoted()
    change = [{"tunable": {"name": "quest-gold", "value": "150"}}]
    following = proven("richest", script.world, changes=change)
    following.ask("Approve")
    result = following.look_at_the_world()
    assert read(result)["quest-gold"] == "150"
    assert [each["experiment"] for each in status(result)["promoted"]] == ["richest"]


def test_who_is_locked_out_is_in_no_arm_before_the_experiment_is_looked_at_again() -> None:
    script = running()
    script.edit_world(locked=True)
    assert script.world is not None
    assert script.status.phase == "Running"
    assert trials(script.world, [script.experiment]) == []


def test_nobody_is_in_the_arms_of_what_does_not_run() -> None:
    for phase in ("Waiting", "Promoting", "Promoted", "RolledBack", "Inconclusive", "Invalid"):
        assert trials(world(), [experiment(status={"phase": phase})]) == []
    gone = running().experiment
    meta = gone.metadata.model_copy(update={"deletion_timestamp": "2026-11-23T12:00:00Z"})
    assert trials(world(), [gone.model_copy(update={"metadata": meta})]) == []


def test_what_is_told_is_small() -> None:
    result = running().look_at_the_world()
    assert len(json.dumps([each.dump() for each in told(result).trials])) < 300
