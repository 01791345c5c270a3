"""What was promoted is watched within the rollback window, look by look, without a cluster."""

from datetime import timedelta
from typing import Any

import pytest

from controllers.plan import Object
from crds.observations import Observation, Observations
from crds.rollout import RolloutWatch
from tests.unit.controllers.builders import condition, llamacpp
from tests.unit.controllers.ensemble.rollout.test_analysis import (
    CHANGED,
    ERRORS,
    Gateway,
    begun,
    checkpoint,
    history,
)
from tests.unit.controllers.ensemble.rollout.test_rollout import TIMED, Stage


def promoted(*guardrails: Object, steps: Any = (TIMED,), **more: Any) -> tuple[Stage, Gateway]:
    """A stage whose rollout was proven and is everyone's, in its rollback window."""
    stage, gateway = begun(*guardrails, steps=steps, **more), Gateway()
    stage.see(gateway.play(stage, 300))
    stage.wait(11)
    assert stage.phase == "Promoted"
    return stage, gateway


def sessions(stage: Stage, gateway: Gateway, number: int, rate: float = 0.02) -> Observations:
    """Sessions of what was promoted, of which so many fail."""
    entries = []
    for _ in range(number):
        failed = float(gateway.chance.random() < rate)
        for kind in ("Assigned", "Outcome"):
            gateway.sequence += 1
            entries.append(
                Observation.model_validate(
                    {
                        "sequence": gateway.sequence,
                        "kind": kind,
                        "arm": "Promoted",
                        "values": {"member-errors": failed} if kind == "Outcome" else {},
                    }
                )
            )
    return Observations(
        log=gateway.log,
        rollout=stage.status.watch_salt,
        observations=entries,
        through=gateway.sequence,
        more=False,
    )


def watch(stage: Stage, *seen: Observations) -> RolloutWatch:
    """A look at what the gateways saw, and two without anything new."""
    stage.see(*seen)
    assert stage.status.watch is not None
    return stage.status.watch


def ready(stage: Stage, but: str) -> None:
    stage.ready = lambda name: int(but not in name)


def test_as_many_are_watched_as_in_the_last_step() -> None:
    stage, _ = promoted()
    assert watch(stage).traffic_percent == 100
    split = stage.table["split"]
    assert (split["salt"], split["percent"]) == (f"{stage.status.salt}-after", 0)
    assert (split["promotedPercent"], split["watchedSeconds"]) == (100, 600)
    assert "100 % of new sessions are watched" in stage.status.message
    assert stage.plan.again_in == 30
    small, _ = promoted(steps=[{**TIMED, "trafficPercent": 5}])
    assert small.table["split"]["promotedPercent"] == 10


def test_what_keeps_its_promise_is_left_alone_and_let_go_of_with_the_window() -> None:
    stage, gateway = promoted()
    seen = watch(stage, sessions(stage, gateway, 400))
    assert (seen.observations, seen.drifted) == (400, [])
    assert "no drift is found in about 400 sessions" in stage.status.message
    stage.wait(61)
    assert stage.phase == "Complete"
    assert "split" not in stage.table
    assert stage.wait(1).plan.again_in is None


def test_what_drifts_goes_back_at_once_and_is_held_back() -> None:
    stage, gateway = promoted()
    old, new = (getattr(stage.status.revisions[0], side) for side in ("stable", "canary"))
    assert stage.route()["revision"] == new
    seen = watch(stage, sessions(stage, gateway, 200, rate=0.4))
    assert seen.drifted == ["member-errors"]
    assert stage.phase == "Undone"
    assert stage.route()["revision"] == old
    assert "split" not in stage.table
    assert "member-errors is worse than the 0.0" in stage.status.message
    assert "that promotion promised, as was found after" in stage.status.message
    assert condition(stage.plan).reason == "HeldBack"
    stage.wait(100)
    assert (stage.phase, stage.running()) == ("Undone", {old})
    stage.ask("Retry")
    assert stage.phase == "Stepping"
    assert stage.status.watch is None


def test_drift_is_a_warning_and_goes_before_what_a_person_asks() -> None:
    stage, gateway = promoted()
    stage.observed = (sessions(stage, gateway, 200, rate=0.4),)
    stage.look(1)
    (event,) = (e for e in stage.plan.events if e.reason == "RolloutUndone")
    assert event.type == "Warning"
    other, gateway = promoted()
    other.observed = (sessions(other, gateway, 200, rate=0.4),)
    assert "is not kept warm (Undone)" in other.ask("Undo")


def test_where_it_shall_be_told_only_everyone_stays() -> None:
    stage, gateway = promoted(whenDrifting="Alert")
    stage.observed = (sessions(stage, gateway, 200, rate=0.4),)
    stage.look(1)
    assert [e.type for e in stage.plan.events if e.reason == "RolloutDrifted"] == ["Warning"]
    assert stage.phase == "Promoted"
    assert condition(stage.plan).reason == "Drifted"
    assert condition(stage.plan, "Stalled").status == "True"
    assert "Undo returns to it at once" in stage.status.message
    assert "split" not in stage.table, "there is no more to be found"
    marks = [entry.mark for entry in history(stage).log]
    assert marks[-2:] == ["Promoted 1 100", "Promoted 1 100 drifted"]
    stage.events.clear()
    stage.look()
    assert stage.events == []
    stage.ask("Undo")
    assert stage.phase == "Undone"


def test_what_drifts_goes_back_as_soon_as_the_old_one_answers() -> None:
    stage, gateway = promoted()
    old = stage.status.revisions[0].stable
    ready(stage, but=old)
    stage.look()
    watch(stage, sessions(stage, gateway, 200, rate=0.4))
    assert stage.phase == "Returning"
    assert f"everyone is told by {old} again as soon as it is ready" in stage.status.message
    assert "member-errors is worse than" in stage.status.message
    ready(stage, but="nothing")
    stage.look()
    assert stage.phase == "Undone"
    assert "that promotion promised" in stage.status.message
    assert stage.member().condition == "HeldBack"


def test_what_drifts_and_cannot_go_back_is_not_passed_over() -> None:
    stage, gateway = promoted()
    ready(stage, but=stage.status.revisions[0].stable)
    stage.look()
    watch(stage, sessions(stage, gateway, 200, rate=0.4))
    stage.now += timedelta(minutes=60)
    stage.look(1)
    assert stage.phase == "Complete"
    assert "was not ready within 60 minutes; everyone stays with" in stage.status.message
    assert "member-errors is worse than" in stage.status.message
    told = [event.type for event in stage.plan.events if event.reason == "RolloutComplete"]
    assert told == ["Warning"]


def test_what_is_promoted_without_proof_promises_nothing() -> None:
    stage, gateway = begun(), Gateway()
    stage.see(gateway.play(stage, 5))
    stage.ask("Promote")
    assert stage.phase == "Promoted"
    assert watch(stage).traffic_percent == 0
    assert "nothing was proven, so nothing was promised" in stage.status.message
    assert "split" not in stage.table
    watch(stage, sessions(stage, gateway, 200, rate=0.9))
    assert stage.phase == "Promoted"


def test_a_rollout_that_nobody_judges_has_no_watch() -> None:
    stage = Stage(steps=[TIMED]).edit(llamacpp("sage"), CHANGED)
    stage.wait(11)
    assert stage.phase == "Promoted"
    assert stage.status.watch is None
    assert checkpoint(stage).keys() == {"rollout"}


def test_guardrails_that_change_after_promotion_end_the_watch() -> None:
    stage, gateway = promoted()
    assert stage.rollout is not None
    stage.rollout["guardrails"] = [{**ERRORS, "marginPoints": "4"}]
    assert watch(stage, sessions(stage, gateway, 200, rate=0.4)).traffic_percent == 0
    assert "is not what the spec asks for now" in stage.status.message
    stage.rollout["guardrails"] = [ERRORS]
    assert watch(stage).traffic_percent == 100


def test_the_watch_goes_on_exactly_where_it_was() -> None:
    (whole, one), (parts, other) = promoted(), promoted()
    whole.see(sessions(whole, one, 90))
    for _ in range(9):
        parts.see(sessions(parts, other, 10))
    assert checkpoint(parts) == checkpoint(whole)
    assert parts.status.watch == whole.status.watch
    told = sessions(parts, other, 5)
    parts.see(told)
    before = checkpoint(parts)
    parts.see(told, told)
    assert checkpoint(parts) == before


@pytest.mark.parametrize("damage", ["{", None])
def test_a_watch_that_cannot_be_read_is_computed_again(damage: str | None) -> None:
    stage, gateway = promoted()
    told = sessions(stage, gateway, 50)
    stage.see(told)
    good = checkpoint(stage)
    spoiled = stage.children.get("ConfigMap", "narrators-analysis")
    assert spoiled is not None
    spoiled["data"] = {name: text for name, text in good.items() if name != "watch.json"}
    if damage:
        spoiled["data"]["watch.json"] = damage
    stage.see(told)
    assert checkpoint(stage) == good


def test_where_the_promise_is_lost_nobody_is_watched_and_it_says_so() -> None:
    stage, gateway = promoted()
    spoiled = stage.children.get("ConfigMap", "narrators-analysis")
    assert spoiled is not None
    spoiled["data"] = {}
    assert watch(stage, sessions(stage, gateway, 200, rate=0.4)).traffic_percent == 0
    assert "what promotion promised is gone" in stage.status.message
    assert stage.phase == "Promoted"


def test_sessions_of_the_steps_are_not_of_what_was_promoted() -> None:
    stage, gateway = promoted()
    late = gateway.play(stage, 200, canary=0.5)
    assert watch(stage, late).observations == 0


def test_the_status_of_a_watch_changes_seldom() -> None:
    stage, gateway = promoted()
    seen = {watch(stage, sessions(stage, gateway, 7)).message for _ in range(60)}
    assert len(seen) <= 15
