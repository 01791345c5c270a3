"""`fabula experiment`: what is asked of kubectl, and what a person reads."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from tests.unit.cli.test_rollout import Kubectl

JOY = {
    "name": "joy",
    "canary": "0.9",
    "baseline": "0.5",
    "lower": "0.31",
    "upper": "0.48",
    "eValue": "below 0.01",
    "standing": "Proven",
}
STATUS = {
    "number": 2,
    "phase": "AwaitingApproval",
    "step": 2,
    "steps": 2,
    "message": "50 % of new sessions have quest-gold 140; [it is proven]",
    "takes": "nothing is missing",
    "objective": JOY,
    "guardrails": [JOY | {"name": "quit", "standing": "Open"}],
    "log": [{"at": "2026-11-23T12:00:00Z", "message": "step 1: 5 % have quest-gold 140"}],
}


@pytest.fixture
def kubectl(monkeypatch: pytest.MonkeyPatch) -> Kubectl:
    made = Kubectl(json.loads(json.dumps(STATUS)))
    monkeypatch.setattr("cli.asking.run", made)
    return made


def experiment(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["experiment", *arguments])


def test_the_status_says_where_it_stands_what_it_found_and_what_happened(kubectl: Kubectl) -> None:
    done = experiment("status", "richer")
    assert done.exit_code == 0, done.output
    for words in ("Run 2: AwaitingApproval, step 2 of 2", STATUS["message"], "nothing is missing"):
        assert str(words) in done.stdout
    rows = [line.split() for line in done.stdout.splitlines()]
    for name, standing in (("joy", "Proven"), ("quit", "Open")):
        figures = ["0.9", "0.5", "0.31", "to", "0.48", "below", "0.01"]
        assert [name, *figures, standing] in rows
    assert "2026-11-23T12:00:00Z  step 1: 5 % have quest-gold 140" in done.stdout


def test_one_that_nobody_looked_at_says_so(kubectl: Kubectl) -> None:
    kubectl.status.clear()
    assert "Is the operator running?" in experiment("status", "richer").stdout


@pytest.mark.parametrize(
    ("command", "action"),
    [
        ("approve", "Approve"),
        ("skip", "SkipStep"),
        ("pause", "Pause"),
        ("resume", "Resume"),
        ("abort", "Abort"),
        ("retry", "Retry"),
    ],
)
def test_an_action_shows_the_kubectl_that_it_is(
    kubectl: Kubectl, command: str, action: str
) -> None:
    done = experiment(command, "richer", "-n", "play")
    assert (done.exit_code, done.stdout) == (0, "Done: it goes on\n"), done.output
    patch: list[Any] = kubectl.lines[0]
    assert patch[:6] == ["kubectl", "--namespace", "play", "patch", "evolutionexperiment", "richer"]
    assert json.loads(patch[-1])["status"]["request"]["action"] == action
