"""The seam through which the gateway gets weights, and the draw that keeps them fair."""

from pathlib import Path

import pytest

from runtime.consensus.completion import ONE_IN, runs_to_completion
from runtime.consensus.evidence import Evidence, EvidenceUnreadableError
from runtime.consensus.learned import Learned
from tests.unit.runtime.consensus.lessons import TODAY, taught

DECLARED = {"a": 4, "b": 2}


def test_without_a_file_the_declared_weights_count(tmp_path: Path) -> None:
    learned = Learned.read(tmp_path / "learned.json", lambda: TODAY)
    assert learned.weights_for("gate", 2, DECLARED) == DECLARED


def test_what_was_learned_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "learned.json"
    path.write_text(taught({"a": 0.6, "b": 0.9}, 1000).dump())
    found = Learned.read(path, lambda: TODAY).weights_for("gate", 2, DECLARED)
    assert found["b"] > found["a"]


def test_a_spoilt_file_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "learned.json"
    path.write_text("{")
    with pytest.raises(EvidenceUnreadableError):
        Learned.read(path, lambda: TODAY)


def test_new_evidence_gives_new_weights() -> None:
    learned = Learned(lambda: TODAY, taught({"a": 0.6, "b": 0.9}, 1000))
    before = learned.weights_for("gate", 2, DECLARED)
    learned.take(Evidence())
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
