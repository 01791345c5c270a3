"""What the sessions of a rollout do to it, look by look, without a cluster."""

import random
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.ensemble.rollout.terms import agreed
from controllers.plan import Children, Object
from crds.history import HISTORY_KEY, History
from crds.observations import Observation, Observations
from crds.rollout import Rollout, RolloutVerdict
from tests.unit.controllers.builders import condition, llamacpp, world
from tests.unit.controllers.ensemble.rollout.test_rollout import PERSON, TIMED, Stage

ERRORS = {"metric": "member-errors", "marginPoints": "5"}
CHANGED = llamacpp("jester", role="You joke.")


@dataclass
class Gateway:
    """One log, which grows as sessions come."""

    log: str = "bard-gateway-0"
    sequence: int = 0
    chance: random.Random = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self.chance = random.Random(self.log)

    def play(
        self, stage: Stage, pairs: int, canary: float = 0.02, baseline: float = 0.02, **more: Any
    ) -> Observations:
        """So many pairs of sessions, whose calls fail at these rates."""
        entries = []
        for _ in range(pairs):
            for arm, rate in (("Canary", canary), ("Baseline", baseline)):
                failed = float(self.chance.random() < rate)
                values = {"member-errors": failed, **{name: at(arm) for name, at in more.items()}}
                entries.append(self._entry("Assigned", arm))
                entries.append(self._entry("Outcome", arm, values))
        return self._told(stage, entries)

    def lose(self, stage: Stage, sessions: int) -> Observations:
        """Sessions of the baseline alone."""
        return self._told(stage, [self._entry("Assigned", "Baseline") for _ in range(sessions)])

    def _entry(self, kind: Any, arm: Any, values: Any = None) -> Observation:
        self.sequence += 1
        return Observation(sequence=self.sequence, kind=kind, arm=arm, values=values or {})

    def _told(self, stage: Stage, entries: list[Observation]) -> Observations:
        return Observations(
            log=self.log,
            rollout=stage.status.salt,
            observations=entries,
            through=self.sequence,
            more=False,
        )


def begun(*guardrails: Object, steps: Any = (TIMED,), **more: Any) -> Stage:
    """A stage in the first step of a rollout that is judged."""
    stage = Stage(steps=steps)
    assert stage.rollout is not None
    stage.rollout |= {"guardrails": list(guardrails or (ERRORS,)), **more}
    return stage.edit(llamacpp("sage"), CHANGED)


def see(stage: Stage, *seen: Observations) -> RolloutVerdict:
    """A look at what the gateways saw, and two without anything new."""
    stage.see(*seen)
    assert stage.status.verdict is not None
    return stage.status.verdict


def checkpoint(stage: Stage) -> Object:
    """What the verdict follows from: all that is kept but the history."""
    return {key: value for key, value in kept(stage).items() if key != HISTORY_KEY}


def kept(stage: Stage) -> Object:
    found = stage.children.get("ConfigMap", "narrators-analysis")
    assert found is not None
    data: Object = found["data"]
    return data


def history(stage: Stage) -> History:
    return History.model_validate_json(kept(stage)[HISTORY_KEY])


def test_sessions_are_watched_as_the_analysis_says() -> None:
    stage = begun(ERRORS, analysis={"windowSeconds": 30, "slowAboveMilliseconds": 800})
    split = stage.table["split"]
    assert (split["watchedSeconds"], split["slowAboveMs"]) == (30, 800)
    assert stage.plan.again_in == 2.0
    plain = Stage(steps=[TIMED]).edit(llamacpp("sage"), CHANGED)
    assert "watchedSeconds" not in plain.table["split"]
    assert plain.status.verdict is None
    assert checkpoint(plain) == {"rollout": plain.status.salt}, "nothing to count"


def test_a_bad_canary_is_sent_back_in_the_middle_of_a_step() -> None:
    stage, gateway = begun(steps=[{**PERSON, "trafficPercent": 5}, TIMED]), Gateway()
    verdict = see(stage, gateway.play(stage, 200, canary=0.3))
    assert verdict.kind == "Harm"
    assert stage.phase == "Aborted"
    assert "the canary is worse" in stage.status.message
    assert "Retry rolls it out again" in stage.status.message
    assert "split" not in stage.table
    assert stage.member().held_back is not None
    assert condition(stage.plan).reason == "HeldBack"
    assert verdict.metrics[0].standing == "Harmful"
    stage.ask("Retry")
    assert (stage.phase, see(stage).kind) == ("Paused", "Undecided")


def test_harm_goes_before_what_a_person_asks() -> None:
    stage, gateway = begun(), Gateway()
    stage.observed = (gateway.play(stage, 200, canary=0.3),)
    assert "no rollout is under way" in stage.ask("Promote")
    assert stage.phase == "Aborted"


def test_harm_ends_a_pause() -> None:
    stage, gateway = begun(), Gateway()
    stage.ask("Pause")
    see(stage, gateway.play(stage, 200, canary=0.3))
    assert stage.phase == "Aborted"


def test_an_equal_canary_is_promoted_when_its_last_step_is_over_and_not_before() -> None:
    stage, gateway = begun(), Gateway()
    verdict = see(stage, gateway.play(stage, 300))
    assert (verdict.kind, verdict.pairs, stage.phase) == ("Proven", 300, "Stepping")
    stage.wait(9)
    assert stage.phase == "Stepping"
    stage.wait(1)
    assert stage.phase == "Promoted"
    assert "without proof" not in stage.status.message
    assert stage.status.verdict == verdict


def test_the_end_of_the_last_step_waits_for_proof_and_says_what_is_missing() -> None:
    stage, gateway = begun(), Gateway()
    see(stage, gateway.play(stage, 20))
    stage.wait(11)
    assert stage.phase == "Stepping"
    assert "is over, and everyone follows when it is proven" in stage.status.message
    assert "more pairs to be proven" in stage.status.message
    see(stage, gateway.play(stage, 300))
    assert stage.phase == "Promoted"


def test_steps_before_the_last_go_by_time() -> None:
    stage = begun(steps=[{**TIMED, "trafficPercent": 5}, TIMED])
    assert stage.wait(10).status.step == 2


def test_no_data_never_promotes_and_is_inconclusive_at_the_deadline() -> None:
    stage = begun(analysis={"deadlineMinutes": 30})
    stage.wait(39)
    assert (stage.phase, see(stage).kind) == ("Stepping", "Undecided")
    stage.wait(1)
    assert (stage.phase, see(stage).kind) == ("Paused", "Inconclusive")
    assert "no data before the deadline" in stage.status.message
    assert "Promote gives it to everyone without proof" in stage.status.message
    assert stage.wait(1000).phase == "Paused"
    assert "no data before the deadline" in stage.ask("Resume")
    assert "no data before the deadline" in stage.ask("SkipStep")
    assert stage.ask("Promote").endswith("without proof")
    assert stage.phase == "Promoted"
    assert "a person promoted it without proof" in stage.status.message


def test_a_policy_that_says_so_rolls_back_what_is_inconclusive() -> None:
    stage = begun(analysis={"deadlineMinutes": 30}, whenInconclusive="RollBack")
    stage.wait(40)
    assert stage.phase == "Aborted"
    assert "no data before the deadline" in stage.status.message
    assert stage.member().held_back is not None


def test_the_cap_is_inconclusive_whatever_step_it_is() -> None:
    stage = begun(
        {**ERRORS, "marginPoints": "0.5"}, steps=[PERSON, TIMED], analysis={"maxPairs": 50}
    )
    gateway = Gateway()
    verdict = see(stage, gateway.play(stage, 50))
    assert verdict.kind == "Inconclusive"
    assert "the cap of 50 pairs is reached" in stage.status.message
    assert stage.phase == "Paused"


def test_what_is_proven_after_all_goes_on_by_a_person() -> None:
    stage, gateway = begun(analysis={"deadlineMinutes": 1}), Gateway()
    stage.wait(11)
    assert stage.phase == "Paused"
    see(stage, gateway.play(stage, 300))
    assert stage.phase == "Paused", "who was told to decide is not overtaken"
    assert stage.ask("Resume").startswith("Done")
    stage.wait(11)
    assert stage.phase == "Promoted"


def test_a_person_promotes_at_a_step_that_waits_only_what_is_proven() -> None:
    stage, gateway = begun(steps=[PERSON]), Gateway()
    assert "waiting for the first pair" in stage.ask("Resume")
    assert stage.phase == "Paused"
    see(stage, gateway.play(stage, 300))
    assert stage.phase == "Paused"
    assert stage.ask("Resume").startswith("Done")
    assert stage.phase == "Promoted"


def test_a_broken_split_stops_it_and_says_that_the_data_is_wrong() -> None:
    stage, gateway = begun(), Gateway()
    see(stage, gateway.play(stage, 100), gateway.lose(stage, 300))
    assert stage.phase == "Aborted"
    assert "the split is broken" in stage.status.message


def test_guardrails_that_change_in_the_middle_begin_the_rollout_again() -> None:
    stage, gateway = begun(steps=[PERSON, PERSON]), Gateway()
    stage.ask("SkipStep")
    see(stage, gateway.play(stage, 100))
    first = stage.status
    assert stage.rollout is not None
    stage.rollout["guardrails"] = [{**ERRORS, "marginPoints": "9"}]
    stage.look()
    assert (stage.status.number, stage.status.step) == (first.number + 1, 1)
    assert stage.status.salt != first.salt
    assert see(stage).pairs == 0
    stage.rollout["analysis"] = {"deadlineMinutes": 7}
    stage.look()
    assert stage.status.number == first.number + 1, "a deadline makes no session another"


def test_what_a_session_of_the_last_rollout_came_to_counts_for_nothing() -> None:
    stage, gateway = begun(), Gateway()
    late = gateway.play(stage, 200, canary=0.3)
    stage.edit(llamacpp("sage"), llamacpp("jester", role="You sing.")).wait(1)
    assert see(stage, late).pairs == 0


def test_a_metric_that_nobody_declares_keeps_everyone_back_and_says_so() -> None:
    fun = {"metric": "fun", "marginPoints": "10"}
    stage = begun(fun)
    assert stage.phase == "Starting"
    assert "split" not in stage.table
    assert "nobody counts fun; declare it in spec.metrics of the World" in stage.status.message
    assert condition(stage.plan).reason == "GuardrailUnknown"
    assert condition(stage.plan, "Stalled").status == "True"
    number = stage.status.number
    stage.world = world(metrics=[{"name": "fun", "direction": "HigherIsBetter"}])
    stage.look()
    assert (stage.phase, stage.status.number) == ("Stepping", number)
    stage.world = None
    stage.look()
    assert stage.table["split"]["percent"] == 0
    assert (stage.phase, stage.status.number) == ("Starting", number)


def test_metrics_of_the_game_count_in_their_own_unit() -> None:
    declared = {"name": "gold", "direction": "HigherIsBetter", "low": "-50", "high": "150"}
    stage = begun({"metric": "gold", "marginPoints": "10"})
    stage.world = world(metrics=[declared])
    stage.look()
    assert stage.phase == "Stepping"
    gold = {"Canary": 98.0, "Baseline": 100.0}
    verdict = see(stage, Gateway().play(stage, 100, gold=gold.__getitem__))
    (metric,) = verdict.metrics
    assert (metric.name, metric.canary, metric.baseline) == ("gold", "98", "100")
    assert verdict.kind == "Proven", "20 of 200 may be lost"


def test_a_restarted_operator_goes_on_exactly_where_it_was() -> None:
    whole, parts = begun(), begun()
    gateway, other = Gateway(), Gateway()
    see(whole, gateway.play(whole, 60), Gateway("bard-gateway-1").play(whole, 60))
    for _ in range(6):
        see(parts, other.play(parts, 10))
    assert parts.status.verdict is not None
    assert parts.status.verdict.pairs == 60
    see(parts, Gateway("bard-gateway-1").play(parts, 60))
    assert parts.status.verdict == whole.status.verdict
    assert checkpoint(parts) == checkpoint(whole)


def test_entries_that_are_told_again_count_once() -> None:
    stage, gateway = begun(), Gateway()
    told = gateway.play(stage, 10)
    see(stage, told)
    before = checkpoint(stage)
    see(stage, told, told)
    assert checkpoint(stage) == before


def test_the_cursor_passes_what_was_looked_through_in_vain_only_where_more_is_to_come() -> None:
    stage, gateway = begun(), Gateway()
    see(stage, gateway.play(stage, 10))
    before = checkpoint(stage)
    idle = gateway.lose(stage, 0).model_copy(update={"through": 500})
    see(stage, idle)
    assert checkpoint(stage) == before
    see(stage, idle.model_copy(update={"more": True}))
    assert '"bard-gateway-0":500' in checkpoint(stage)["checkpoint.json"]


@pytest.mark.parametrize("damage", [{}, {"checkpoint.json": "{"}, {"rollout": "another"}])
def test_a_checkpoint_that_cannot_be_read_is_computed_again(damage: Object) -> None:
    stage, gateway = begun(), Gateway()
    told = gateway.play(stage, 10)
    see(stage, told)
    good = checkpoint(stage)
    spoiled = stage.children.get("ConfigMap", "narrators-analysis")
    assert spoiled is not None
    spoiled["data"] = {**good, **damage} if damage else {}
    see(stage, told)
    assert checkpoint(stage) == good


def test_the_checkpoint_is_written_before_all_that_follows_from_it_and_stays() -> None:
    stage, gateway = begun(), Gateway()
    stage.observed = (gateway.play(stage, 200, canary=0.3),)
    stage.look(1)
    assert [obj["metadata"]["name"] for obj in stage.plan.first] == ["narrators-analysis"]
    before = kept(stage)
    stage.wait(1000)
    assert kept(stage) == before


def test_each_look_at_new_sessions_is_a_point_of_the_history() -> None:
    stage, gateway = begun(), Gateway()
    for _ in range(3):
        see(stage, gateway.play(stage, 50))
        stage.wait(1)
    seen = history(stage)
    assert [look.blocks for look in seen.looks] == [50, 100, 150]
    assert [look.assigned for look in seen.looks] == [(50, 50), (100, 100), (150, 150)]
    assert seen.looks[0].time == "2026-11-23T12:00:00Z"
    assert seen.criteria is not None
    (errors,) = seen.criteria.metrics
    assert (errors.name, errors.margin, seen.criteria.harm_bar) == ("member-errors", 0.05, 100)
    (shown,), (drawn,) = stage.status.verdict.metrics, seen.looks[-1].metrics  # type: ignore[union-attr]
    assert float(shown.upper or "") == pytest.approx(drawn.upper, rel=0.01)


def test_what_happens_is_logged_once_and_in_its_order() -> None:
    stage, gateway = begun(steps=[PERSON, PERSON]), Gateway()
    stage.wait(1)
    stage.ask("SkipStep")
    stage.wait(1)
    see(stage, gateway.play(stage, 200, canary=0.3))
    told = [(entry.kind, entry.mark, entry.time[11:16]) for entry in history(stage).log]
    assert told == [
        ("Phase", "Starting 0 0", "12:00"),
        ("Phase", "Paused 1 10", "12:00"),
        ("Request", "0", "12:01"),
        ("Phase", "Paused 2 10", "12:01"),
        ("Verdict", "Harm", "12:02"),
        ("Phase", "Aborted 2 0", "12:02"),
    ]
    assert [entry.percent for entry in history(stage).log] == [0, 10, None, 10, None, 0]
    assert history(stage).log[2].words == "SkipStep: done, it goes on"


def test_the_log_goes_on_after_promotion_and_begins_anew_with_the_next_rollout() -> None:
    stage, gateway = begun(), Gateway()
    see(stage, gateway.play(stage, 300))
    stage.wait(10)
    stage.ask("Undo")
    marks = [entry.mark for entry in history(stage).log]
    assert marks[-3:] == ["Promoted 1 100", "0", "Undone 1 0"]
    assert checkpoint(stage).keys() == {"rollout", "checkpoint.json", "watch.json"}
    stage.ask("Retry")
    marks = [entry.mark for entry in history(stage).log]
    assert marks == ["1", "Starting 0 0", "Stepping 1 50"]


def test_a_history_that_was_deleted_is_not_made_up_once_the_rollout_is_over() -> None:
    stage, gateway = begun(), Gateway()
    see(stage, gateway.play(stage, 200, canary=0.3))
    stage.children = Children(
        obj for obj in stage.children if obj["metadata"]["name"] != "narrators-analysis"
    )
    stage.wait(1)
    assert stage.children.get("ConfigMap", "narrators-analysis") is None


@pytest.mark.parametrize("damage", ["{", '{"looks": 1}', '{"schemaVersion": 2}'])
def test_a_history_that_cannot_be_read_begins_anew_and_changes_no_verdict(damage: str) -> None:
    stage, gateway = begun(), Gateway()
    before = see(stage, gateway.play(stage, 50))
    kept(stage)[HISTORY_KEY] = damage
    assert see(stage) == before
    see(stage, gateway.play(stage, 50))
    assert [look.blocks for look in history(stage).looks] == [100]


def nobody(_: str) -> int:
    return 0


def everybody(_: str) -> int:
    return 1


MOVES = st.one_of(
    st.tuples(st.just("play"), st.sampled_from([0.0, 0.05, 0.5])),
    st.tuples(st.just("lose"), st.just(100)),
    st.tuples(st.just("ask"), st.sampled_from(["SkipStep", "Pause", "Resume", "Abort", "Retry"])),
    st.tuples(st.just("wait"), st.sampled_from([1, 10, 1441])),
    st.tuples(st.just("margin"), st.sampled_from(["5", "9", ""])),
    st.tuples(st.just("ready"), st.sampled_from([0, 1])),
)


@settings(deadline=None)
@given(st.lists(MOVES, max_size=10))
def test_whatever_happens_nothing_is_promoted_that_is_not_proven(
    moves: list[tuple[str, Any]],
) -> None:
    """But by a person's word, which is none of the moves. And the planner always comes to rest."""
    stage, gateway = begun(), Gateway()
    for kind, value in moves:
        before = stage.status
        match kind:
            case "play":
                stage.see(gateway.play(stage, 60, canary=value))
            case "lose":
                stage.see(gateway.lose(stage, value))
            case "ask":
                stage.ask(value)
            case "wait":
                stage.wait(value)
            case "margin":
                metric = {**ERRORS, "marginPoints": value} if value else {"metric": "unknown"}
                stage.rollout = {**(stage.rollout or {}), "guardrails": [metric]}
                stage.look()
            case "ready":
                stage.ready = {0: nobody, 1: everybody}[value]
                stage.look()
        now = stage.status
        if now.phase == "Promoted" != before.phase:
            assert now.verdict is not None
            assert now.verdict.kind == "Proven"
        if now.verdict and now.verdict.kind in {"Harm", "BrokenSplit"}:
            assert now.phase == "Aborted"
        rest, written = stage.state, kept(stage)
        stage.look()
        assert (stage.state, kept(stage)) == (rest, written)


def test_the_checkpoint_is_there_before_anybody_is_told_by_the_new_revision() -> None:
    stage = Stage(steps=[TIMED])
    assert stage.rollout is not None
    stage.rollout |= {"guardrails": [ERRORS]}
    old = stage.member().revision
    stage.ready = lambda name: int(old in name or "sage" in name)
    stage.edit(llamacpp("sage"), CHANGED)
    assert stage.phase == "Starting"
    assert checkpoint(stage)["rollout"] == stage.status.salt
    stage.ready = lambda _: 1
    stage.look()
    assert (stage.phase, see(stage).pairs) == ("Stepping", 0)


def test_harm_is_a_warning() -> None:
    stage, gateway = begun(), Gateway()
    stage.observed = (gateway.play(stage, 200, canary=0.3),)
    stage.look(1)
    (event,) = (e for e in stage.plan.events if e.reason == "RolloutAborted")
    assert event.type == "Warning"


def test_a_margin_is_in_points_of_the_range() -> None:
    policy = Rollout.model_validate(
        {
            "steps": [TIMED],
            "guardrails": [
                {"metric": "member-slow", "marginPoints": "2.5"},
                {"metric": "fallbacks"},
                {"metric": "gold"},
            ],
            "analysis": {"windowSeconds": 60, "slowAboveMilliseconds": 1},
        }
    )
    gold = {"name": "gold", "direction": "HigherIsBetter", "low": "0", "high": "500"}
    terms = agreed(policy, world(metrics=[gold]))
    assert terms.plan is not None
    margins = [each.margin.absolute for each in terms.plan.metrics if each.margin]
    assert margins == pytest.approx([0.025, 0.01, 5])
    assert terms.every == 3.0


LIKED = {"metric": "judge-preference", "marginPoints": "10"}
NOBODY = {**PERSON, "trafficPercent": 0}


def compared(stage: Stage, *preferences: float) -> Observations:
    """Sessions in the shadow, and what the judge made of them."""
    gateway, entries = Gateway("bard-gateway-1"), []
    for preference in preferences:
        entries.append(gateway._entry("Assigned", "Shadow"))
        entries.append(gateway._entry("Outcome", "Shadow", {"judge-preference": preference}))
    return gateway._told(stage, entries)


def judged(*guardrails: Object, judge: str = "sage", **more: Any) -> Stage:
    return begun(
        *(guardrails or (LIKED,)), shadow={"percent": 50, "judge": judge},
        steps=[NOBODY, {**TIMED, "trafficPercent": 20}], **more,
    )  # fmt: skip


def test_what_a_judge_does_not_like_goes_back_before_anybody_is_told() -> None:
    stage = judged()
    verdict = see(stage, compared(stage, *([0.0, 0.5, 0.0, 0.5, 0.25] * 20)))
    assert (verdict.kind, stage.phase, verdict.pairs) == ("Harm", "Aborted", 0)
    assert "found in the shadow; by now judge-preference 0.25 against 0.5" in verdict.message


def test_what_a_judge_likes_as_well_is_proven_and_follows() -> None:
    stage = judged()
    assert "waiting for the first pair" in see(stage).message
    verdict = see(stage, compared(stage, *([0.0, 1.0, 0.5, 0.25, 0.75] * 3)))
    assert verdict.kind == "Undecided"
    assert "more sessions in the shadow to be proven" in verdict.message
    verdict = see(stage, compared(stage, *([0.0, 1.0, 0.5, 0.25, 0.75] * 40)))
    (liked,) = verdict.metrics
    assert (verdict.kind, liked.standing) == ("Proven", "Proven")
    assert (liked.canary, liked.baseline) == ("0.5", "0.5")
    stage.ask("Resume")
    assert stage.wait(10).phase == "Promoted"


def test_the_judge_proves_nothing_of_what_sessions_have_to_show() -> None:
    stage = judged(LIKED, ERRORS)
    verdict = see(stage, compared(stage, *([0.5] * 300)))
    assert (verdict.kind, verdict.pairs) == ("Undecided", 0)
    assert "member-errors has no pair in which every session has a value" in verdict.message
    verdict = see(stage, Gateway().play(stage, 300))
    assert verdict.kind == "Proven"


def test_another_judge_is_another_analysis_and_another_share_is_not() -> None:
    stage = judged()
    salt = stage.status.salt
    assert stage.rollout is not None
    stage.rollout |= {"shadow": {"percent": 10, "judge": "sage"}}
    assert stage.look().status.salt == salt
    stage.rollout |= {"shadow": {"percent": 10, "judge": "jester"}}
    assert stage.look().status.salt != salt


RETENTION = {"metric": "d3-retention", "marginPoints": "5"}


def d3_retention(**more: Any) -> Object:
    return {"name": "d3-retention", "direction": "HigherIsBetter", **more}


def test_gateways_are_told_when_the_longest_metric_is_final() -> None:
    stage = Stage(steps=[TIMED])
    stage.world = world(metrics=[d3_retention(maturesAfterMinutes=60), d3_retention(name="other")])
    assert stage.rollout is not None
    stage.rollout |= {"guardrails": [ERRORS, RETENTION]}
    stage.edit(llamacpp("sage"), CHANGED)
    assert stage.table["split"]["maturesSeconds"] == 3600
    returned: Any = {"d3-retention": lambda arm: 1.0}
    stage.see(Gateway().play(stage, 300, **returned))
    stage.wait(10)
    assert stage.phase == "Promoted"
    assert stage.table["split"]["maturesSeconds"] == 3600, "drift is looked for in the same values"


def test_another_maturity_begins_the_rollout_again() -> None:
    stage = begun(ERRORS)
    stage.world = world(metrics=[d3_retention(maturesAfterMinutes=60)])
    assert stage.rollout is not None
    stage.rollout |= {"guardrails": [ERRORS, RETENTION]}
    first = stage.look().status
    stage.world = world(metrics=[d3_retention(maturesAfterMinutes=5)])
    assert stage.look().status.number == first.number + 1
    assert "maturesSeconds" not in stage.table["split"], "the window of 10 minutes ends later"


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        (d3_retention(maturesAfterMinutes=4320), "analysis.deadlineMinutes of 1440 may end"),
        (d3_retention(scope="Market"), "take a metric of scope Unit that moves sooner"),
    ],
)
def test_a_metric_that_no_session_can_be_judged_by_keeps_everyone_back_and_says_so(
    metric: Object, words: str
) -> None:
    stage = Stage(steps=[TIMED])
    stage.world = world(metrics=[metric])
    assert stage.rollout is not None
    stage.rollout |= {"guardrails": [RETENTION]}
    stage.edit(llamacpp("sage"), CHANGED)
    assert stage.phase == "Starting"
    assert words in stage.status.message
    assert condition(stage.plan).reason == "GuardrailUnknown"
