"""The seam through which the gateway gets weights, and the draw that keeps them fair."""

from runtime.consensus.completion import ONE_IN, runs_to_completion
from runtime.consensus.evidence import Evidence
from runtime.consensus.learned import Learned
from tests.unit.runtime.consensus.lessons import TODAY, taught

DECLARED = {"a": 4, "b": 2}


def test_until_something_was_learned_the_declared_weights_count() -> None:
    assert Learned(lambda: TODAY).weights_for("gate", 2, DECLARED) == DECLARED


def test_what_was_learned_of_a_task_counts_for_it_most() -> None:
    evidence = taught({"a": 0.6, "b": 0.9}, 1000)
    evidence.merge(taught({"a": 0.9, "b": 0.6}, 1000, task="market"))
    learned = Learned(lambda: TODAY, evidence)
    gate, market = (learned.weights_for(task, 2, DECLARED) for task in ("gate", "market"))
    assert gate["a"] < gate["b"]
    assert market["a"] > market["b"]


def test_tasks_that_nobody_knows_are_worked_out_once() -> None:
    learned = Learned(lambda: TODAY, taught({"a": 0.6, "b": 0.9}, 100))
    found = [learned.weights_for(f"task {at}", 2, DECLARED) for at in range(2000)]
    assert found[0] == found[-1] != DECLARED
    assert len(learned._held[1]) == 1


def test_new_evidence_gives_new_weights() -> None:
    learned = Learned(lambda: TODAY, taught({"a": 0.6, "b": 0.9}, 1000))
    before = learned.weights_for("gate", 2, DECLARED)
    learned.take(Evidence())
    assert list(learned._held[1].values()) == [DECLARED]  # before anybody waits for it
    assert before != learned.weights_for("gate", 2, DECLARED) == DECLARED


def test_what_a_caller_does_with_its_weights_is_its_own_affair() -> None:
    learned = Learned(lambda: TODAY, taught({"a": 0.6, "b": 0.9}, 100))
    learned.weights_for("gate", 2, DECLARED)["a"] = 0
    assert learned.weights_for("gate", 2, DECLARED)["a"] > 0


def test_one_decision_in_twenty_runs_to_completion() -> None:
    drawn = sum(runs_to_completion(f"seed {at}") for at in range(20_000))
    assert abs(drawn * ONE_IN / 20_000 - 1) < 0.1


def test_the_draw_can_be_made_again() -> None:
    seeds = [f"seed {at}" for at in range(100)]
    assert [runs_to_completion(s) for s in seeds] == [runs_to_completion(s) for s in seeds]
    assert len({runs_to_completion(s) for s in seeds}) == 2
