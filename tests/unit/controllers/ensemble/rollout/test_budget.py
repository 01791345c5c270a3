"""What a row of promotions may cost, and who has a say when it is spent."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.ensemble.rollout.terms import agreed
from controllers.plan import Children, Object
from crds.ensemble import ModelEnsembleStatus
from crds.rollout import MarginUse, Rollout
from tests.unit.controllers.builders import condition, llamacpp, world
from tests.unit.controllers.ensemble.rollout.test_analysis import ERRORS, Gateway, begun
from tests.unit.controllers.ensemble.rollout.test_rollout import TIMED, Stage

#: One promotion that costs more than half a point, and no second one.
SMALL = {**ERRORS, "budgetPoints": "5.5"}


def edit(stage: Stage, role: str) -> Stage:
    """With time for what had the place to be let go."""
    return stage.edit(llamacpp("sage"), llamacpp("jester", role=role)).wait(1)


def promote(stage: Stage, gateway: Gateway, pairs: int = 200, **rates: Any) -> Stage:
    """From a step to everyone, and to the end of the window."""
    stage.see(gateway.play(stage, pairs, **rates))
    stage.wait(11)
    assert stage.phase == "Promoted"
    return stage


def over(stage: Stage) -> Stage:
    stage.wait(61)
    assert stage.phase == "Complete"
    return stage


def used(stage: Stage, member: str = "jester") -> MarginUse | None:
    return next(iter(stage.member(member).margins), None)


def stored(stage: Stage) -> Object | None:
    return stage.children.get("ConfigMap", "narrators-margins")


def spent() -> tuple[Stage, Gateway]:
    """A stage whose next rollout does not fit any more, with a change that waits."""
    stage, gateway = begun(SMALL), Gateway()
    over(promote(stage, gateway))
    return edit(stage, "You sing."), gateway


def test_a_promotion_spends_the_most_that_it_may_have_cost() -> None:
    stage, gateway = begun(), Gateway()
    assert used(stage) is None
    assert stored(stage) is None
    promote(stage, gateway)
    first, verdict = used(stage), stage.status.verdict
    assert first is not None
    assert verdict is not None
    (judged,) = verdict.metrics
    assert judged.upper is not None
    assert float(first.spent_points) == pytest.approx(100 * float(judged.upper), abs=0.01)
    assert (first.reference, first.budget_points) == (judged.baseline, "25")
    edit(over(stage), "You sing.")
    assert used(stage) == first
    promote(stage, gateway)
    second = used(stage)
    assert second is not None
    assert second.reference == first.reference
    assert float(second.spent_points) > float(first.spent_points)
    assert used(stage, "sage") is None


def test_a_rollout_that_does_not_fit_does_not_begin_and_says_what_is_left() -> None:
    stage, _ = spent()
    assert stage.phase == "Complete"
    assert "split" not in stage.table
    ready = condition(stage.plan)
    assert (ready.reason, ready.status) == ("MarginSpent", "True")
    assert condition(stage.plan, "Stalled").status == "True"
    for words in ("jester: promotions since member-errors was", "points worse of 5.5 that they may",
                  "a margin of 5 does not fit", "set marginPoints to", "Anchor"):  # fmt: skip
        assert words in ready.message
    assert stage.member().message is not None
    assert "does not fit" in (stage.member().message or "")


def test_another_member_is_rolled_out_meanwhile() -> None:
    stage, _ = spent()
    stage.edit(llamacpp("sage", role="You know."), llamacpp("jester", role="You sing."))
    assert (stage.phase, stage.status.member) == ("Stepping", "sage")


def test_the_way_back_to_what_was_before_is_open() -> None:
    stage, gateway = begun({**SMALL, "budgetPoints": "9"}), Gateway()
    over(promote(stage, gateway))
    over(promote(edit(stage, "You sing."), gateway))
    assert edit(stage, "You mime.").phase == "Complete"
    assert edit(stage, "You joke.").phase == "Stepping"


def test_a_return_that_was_given_up_leaves_the_account_as_it_was() -> None:
    stage = begun(SMALL)
    first = stage.member().stable
    over(promote(stage, Gateway())).wait(1)
    before = used(stage)
    stage.ready = lambda name: int(str(first) not in name)
    assert stage.ask("ReturnTo", first).startswith("Done")
    assert stage.wait(60).phase == "Complete"
    assert stage.member().stable != first
    assert used(stage) == before
    assert "MarginsAnchored" not in stage.events


@pytest.mark.parametrize("remedy", [{"budgetPoints": "9"}, {"marginPoints": "1"}])
def test_what_fits_after_an_edit_begins(remedy: Object) -> None:
    stage, _ = spent()
    assert stage.rollout is not None
    stage.rollout["guardrails"] = [{**SMALL, **remedy}]
    assert stage.look().phase == "Stepping"


def test_a_person_accepts_how_it_is_and_it_begins() -> None:
    stage, gateway = spent()
    stage.events.clear()
    assert stage.ask("Anchor").startswith("Done")
    assert stage.phase == "Stepping"
    assert used(stage) is None
    assert stage.events.count("MarginsAnchored") == 1
    assert used(over(promote(stage, gateway))) is not None
    assert edit(stage, "You mime.").phase == "Complete"


def test_an_edit_within_the_window_that_does_not_fit_waits() -> None:
    stage, gateway = begun(SMALL), Gateway()
    edit(promote(stage, gateway), "You sing.")
    assert stage.phase == "Promoted"
    assert "does not fit" in (stage.member().message or "")
    assert edit(stage, "You joke.").phase == "Promoted"


def test_an_edit_within_the_window_that_fits_counts_what_it_takes_the_place_of() -> None:
    stage, gateway = begun(), Gateway()
    edit(promote(stage, gateway), "You sing.")
    assert (stage.phase, stage.status.number) == ("Stepping", 2)
    assert used(stage) is not None


def test_a_margin_that_grows_in_the_middle_and_does_not_fit_ends_the_rollout() -> None:
    stage, gateway = begun({**SMALL, "budgetPoints": "9"}), Gateway()
    edit(over(promote(stage, gateway)), "You sing.")
    assert stage.phase == "Stepping"
    assert stage.rollout is not None
    stage.rollout["guardrails"] = [{**SMALL, "budgetPoints": "9", "marginPoints": "9"}]
    stage.look()
    assert stage.phase == "Aborted"
    assert "does not fit" in stage.status.message


def test_what_was_undone_cost_nothing() -> None:
    stage, gateway = begun(), Gateway()
    first = used(over(promote(stage, gateway)))
    promote(edit(stage, "You sing."), gateway)
    assert used(stage) != first
    stage.ask("Undo")
    assert used(stage) == first
    stage.look()
    assert used(stage) == first
    alone = promote(begun(), Gateway())
    alone.ask("Undo")
    assert used(alone) is None


def test_what_was_proven_better_becomes_the_anchor() -> None:
    stage, gateway = begun(), Gateway()
    over(promote(stage, gateway, 500, canary=0.0, baseline=0.3))
    found = used(stage)
    assert found is not None
    assert (found.reference, found.spent_points) == ("0", "0")


def test_a_promotion_without_proof_closes_the_account() -> None:
    stage, gateway = spent()
    stage.ask("Anchor")
    promote(stage, gateway)
    assert used(over(stage)) is not None
    stage.ask("Anchor")
    edit(stage, "You mime.")
    stage.ask("Promote")
    assert stage.phase == "Promoted"
    assert used(stage) is None
    assert used(over(stage)) is None


def test_a_member_that_changed_without_a_rollout_is_another_one() -> None:
    stage, gateway = begun(SMALL), Gateway()
    over(promote(stage, gateway))
    rollout, stage.rollout = stage.rollout, None
    edit(stage, "You mime.")
    stage.rollout = rollout
    stage.look()
    assert used(stage) is None
    assert edit(stage, "You sing.").phase == "Stepping"


def test_accounts_outlast_a_lost_status() -> None:
    stage, _ = spent()
    before = used(stage)
    stage.state = ModelEnsembleStatus()
    stage.look()
    assert used(stage) == before
    assert condition(stage.plan).reason == "MarginSpent"


def test_accounts_go_on_from_the_status_where_the_config_map_is_gone() -> None:
    stage, _ = spent()
    before = used(stage)
    stage.children = Children(
        o for o in stage.children if o["metadata"]["name"] != "narrators-margins"
    )
    stage.look()
    assert used(stage) == before
    assert stored(stage) is not None
    assert condition(stage.plan).reason == "MarginSpent"


def test_accounts_are_written_before_what_follows_from_them() -> None:
    stage, gateway = begun(), Gateway()
    stage.see(gateway.play(stage, 300))
    stage.wait(11)
    names = [obj["metadata"]["name"] for obj in stage.plan.first]
    assert names == ["narrators-margins", "narrators-analysis"]


def test_without_the_world_nothing_is_forgotten() -> None:
    gold = {"name": "quit", "direction": "LowerIsBetter"}
    stage = begun({"metric": "quit", "marginPoints": "5"})
    stage.world = world(metrics=[gold])
    stage.look()
    zero = {"Canary": 0.0, "Baseline": 0.0}
    stage.see(Gateway().play(stage, 300, quit=zero.__getitem__))
    stage.wait(11)
    assert used(over(stage)) is not None
    stage.world = None
    stage.look()
    stage.world = world(metrics=[gold])
    stage.look()
    assert used(stage) is not None
    assert "MarginsAnchored" not in stage.events


def test_what_should_be_high_is_counted_in_its_direction() -> None:
    gold = {"name": "gold", "direction": "HigherIsBetter", "low": "-50", "high": "150"}
    stage = begun({"metric": "gold", "marginPoints": "10"})
    stage.world = world(metrics=[gold])
    stage.look()
    mean = {"Canary": 98.0, "Baseline": 100.0}
    stage.see(Gateway().play(stage, 200, gold=mean.__getitem__))
    stage.wait(11)
    found, verdict = used(over(stage)), stage.status.verdict
    assert found is not None
    assert verdict is not None
    assert verdict.metrics[0].lower is not None
    assert float(found.spent_points) == pytest.approx(
        -100 * float(verdict.metrics[0].lower) / 200, abs=0.01
    )
    assert found.reference == "100"


@pytest.mark.parametrize("margin", ["1", "2.5"])
def test_the_budget_is_five_margins_unless_it_is_said(margin: str) -> None:
    def terms(**more: str) -> Any:
        guardrail = {"metric": "fallbacks", "marginPoints": margin, **more}
        policy = Rollout.model_validate({"steps": [TIMED], "guardrails": [guardrail]})
        return agreed(policy, None)

    assert terms().budgets == {"fallbacks": pytest.approx(5 * float(margin) / 100)}
    assert terms(budgetPoints="3").budgets == {"fallbacks": pytest.approx(0.03)}
    assert terms(budgetPoints="3").digest == terms().digest, "it makes no session another"


MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("rollout"), st.sampled_from([0.0, 0.02, 0.05])),
        st.tuples(st.just("ask"), st.sampled_from(["Undo", "Promote", "Anchor", "Retry", "Abort"])),
        st.tuples(st.just("wait"), st.sampled_from([1, 11, 61])),
    ),
    max_size=6,
)


@settings(deadline=None, max_examples=10)
@given(MOVES)
def test_nothing_begins_that_does_not_fit_and_a_look_alone_changes_nothing(
    moves: list[tuple[str, Any]],
) -> None:
    stage, gateway = begun(SMALL), Gateway()
    for number, (kind, value) in enumerate(moves):
        begun_before = stage.status.number
        if kind == "rollout":
            edit(stage, f"You count to {number}.")
            stage.see(gateway.play(stage, 200, canary=value))
            stage.wait(11)
        elif kind == "ask":
            stage.ask(value)
        else:
            stage.wait(value)
        found = used(stage)
        assert found is None or float(found.spent_points) <= 5.5
        if stage.status.number > begun_before and stage.phase in {"Starting", "Stepping"}:
            assert found is None or float(found.spent_points) <= 0.5
        rest, kept = stage.look().state, stored(stage)
        stage.look()
        assert (stage.state, stored(stage)) == (rest, kept)
