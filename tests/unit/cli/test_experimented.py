"""The page of an experiment tells what is in its status and in its history."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.experimented import of_experiment
from cli.main import app
from cli.report import ReportError
from controllers.plan import Object
from tests.unit.controllers.experiment.script import Script, proven, running, worse


def objects(script: Script) -> tuple[Object, Object | None]:
    """The experiment and the ConfigMap of its analysis, as kubectl gives them."""
    found = script.experiment.dump()
    meta = {"name": "richer", "namespace": "play", "uid": "ee-richer", "generation": 1}
    kept = script.children.get("ConfigMap", "richer-experiment")
    whole = {"metadata": meta, "spec": found["spec"], "status": found["status"]}
    return json.loads(json.dumps(whole)), kept


def promoted() -> Script:
    script = proven(expectedEffect={"metric": "joy", "points": "5"})
    script.ask("Approve")
    script.look_at_the_world()
    script.look()
    return script


def test_one_that_won_says_by_how_much_and_what_was_foretold() -> None:
    story = of_experiment(*objects(promoted()))
    assert story.outcome == "Good"
    assert story.headline == "quest-gold 140 is everyone’s, proven better"
    facts = dict(story.facts)
    assert facts["Believed"] == "More gold, more joy."
    assert facts["Instead of"] == "120"
    assert facts["Foretold"] == "joy better by 5 points"
    assert facts["Found"].startswith("+40 pp, between +")
    assert story.standings == {"joy": "Proven", "quit": "Proven"}
    assert [(step.percent, step.state) for step in story.steps] == [(5, "Done"), (50, "Done")]
    assert len(story.history.looks) >= 1
    kinds = [entry.kind for entry in story.history.log]
    assert kinds[0] == "Phase"
    assert {"Phase", "Verdict", "Request"} == set(kinds)
    assert story.history.log[-1].mark.startswith("Promoted")


def test_one_that_lost_says_why_and_where() -> None:
    script = running()
    script.play(worse, 100)
    script.look()
    story = of_experiment(*objects(script))
    assert (story.outcome, story.headline) == ("Bad", "nobody has quest-gold 140: it is worse")
    assert [step.state for step in story.steps] == ["Ended here", "Not reached"]
    assert story.standings["quit"] == "Harmful"


@pytest.mark.parametrize(
    ("script", "headline"),
    [
        (running, "quest-gold 140 has 5 %, and nothing is decided yet"),
        (proven, "quest-gold 140 is proven better, and a person decides"),
    ],
)
def test_one_that_is_under_way_says_how_far_it_is(script: Any, headline: str) -> None:
    story = of_experiment(*objects(script()))
    assert (story.outcome, story.headline) == ("Open", headline)


def test_one_that_has_not_begun_has_no_page() -> None:
    script = Script(storytellers=())
    script.look()
    with pytest.raises(ReportError, match="richer has not begun: no Storyteller"):
        of_experiment(*objects(script))


def test_without_its_history_the_status_is_told() -> None:
    found, _ = objects(promoted())
    story = of_experiment(found, None)
    assert story.history.looks == []
    assert "No history was kept" in story.source


def test_the_command_writes_the_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found, kept = objects(promoted())
    answers = {"evolutionexperiment": found, "configmap": kept}

    def kubectl(argv: list[str], env: object, *, timeout: float) -> str:
        return json.dumps(next(obj for kind, obj in answers.items() if kind in argv))

    monkeypatch.setattr("cli.asking.run", kubectl)
    to = tmp_path / "page.html"
    done = CliRunner().invoke(app, ["experiment", "report", "richer", "-o", str(to)])
    assert (done.exit_code, done.stdout) == (0, f"Written: {to}\n"), done.output
    assert "proven better" in to.read_text()
    assert "fabula experiment report richer" in to.read_text()
