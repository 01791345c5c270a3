"""`fabula rollout`: what is asked of kubectl, and what a person reads."""

import json
import subprocess
from collections.abc import Sequence
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from cli.run import CommandError

ROLLOUT = {
    "number": 3,
    "member": "chronicler",
    "phase": "Stepping",
    "step": 1,
    "steps": 2,
    "message": "5 % of new sessions are told by 8f3c2a; [50 %] at noon",
}
MEMBERS = [
    {
        "name": "chronicler",
        "revision": "8f3c2a",
        "stable": "5d01be",
        "trafficPercent": 5,
        "condition": "Canary",
    },
    {"name": "jester", "revision": "11223344", "condition": "Starting"},
]


class Kubectl:
    """Stands for kubectl and an operator behind it."""

    def __init__(self, status: dict[str, Any]) -> None:
        self.status = status
        self.outcome = "Done"
        self.silent = False
        self.lines: list[list[str]] = []
        self.items: list[dict[str, Any]] = []

    def __call__(self, argv: Sequence[str], env: object, *, timeout: float) -> str:
        self.lines.append(list(argv))
        if "patch" in argv:
            request = json.loads(argv[-1])["status"]["request"]
            answer = {"outcome": self.outcome, "message": "it goes on"}
            self.status["lastRequest"] = request | answer
        if "wait" in argv and self.silent:
            raise CommandError("kubectl wait ended with 1: timed out")
        if "controllerrevisions" in argv:
            return json.dumps({"items": self.items})
        return json.dumps({"status": self.status})


@pytest.fixture
def kubectl(monkeypatch: pytest.MonkeyPatch) -> Kubectl:
    made = Kubectl({"rollout": ROLLOUT, "members": MEMBERS})
    monkeypatch.setattr("cli.asking.run", made)
    return made


def rollout(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["rollout", *arguments])


def test_the_status_says_how_far_it_is_and_who_has_what(kubectl: Kubectl) -> None:
    done = rollout("status", "narrators")
    assert done.exit_code == 0, done.output
    for words in ("Rollout 3: chronicler Stepping, step 1 of 2", ROLLOUT["message"], "5d01be"):
        assert str(words) in done.stdout
    assert "none yet" in done.stdout


def test_what_is_judged_has_a_row_each(kubectl: Kubectl) -> None:
    figures = {"canary": "0.01", "baseline": "0.02", "lower": "-0.03", "upper": "0.004"}
    known = {"name": "member-errors", **figures, "eValue": "0.8", "standing": "Proven"}
    fresh = {"name": "fallbacks", "eValue": "1", "standing": "Open"}
    kubectl.status["rollout"] = {**ROLLOUT, "verdict": {"metrics": [known, fresh]}}
    rows = [line.split() for line in rollout("status", "narrators").stdout.splitlines()]
    assert ["member-errors", "0.01", "0.02", "-0.03", "to", "0.004", "0.8", "Proven"] in rows
    assert ["fallbacks", "unknown", "unknown", "unknown", "1", "Open"] in rows


def test_an_ensemble_without_a_rollout_says_how_one_begins(kubectl: Kubectl) -> None:
    kubectl.status.clear()
    assert "change a member" in rollout("status", "narrators").stdout


@pytest.mark.parametrize(
    ("command", "action"),
    [
        ("promote", "Promote"),
        ("skip", "SkipStep"),
        ("pause", "Pause"),
        ("resume", "Resume"),
        ("abort", "Abort"),
        ("retry", "Retry"),
        ("anchor", "Anchor"),
        ("undo", "Undo"),
    ],
)
def test_an_action_shows_the_kubectl_that_it_is(
    kubectl: Kubectl, command: str, action: str
) -> None:
    done = rollout(command, "narrators", "-n", "play")
    assert (done.exit_code, done.stdout) == (0, "Done: it goes on\n"), done.output
    patch = kubectl.lines[0]
    assert patch[:5] == ["kubectl", "--namespace", "play", "patch", "modelensemble"]
    assert json.loads(patch[-1])["status"]["request"]["action"] == action
    assert "--subresource=status --type=merge -p" in done.stderr


def test_a_refusal_and_a_silence_are_errors_with_the_reason(kubectl: Kubectl) -> None:
    kubectl.outcome = "Refused"
    done = rollout("undo", "narrators")
    assert (done.exit_code, "Refused: it goes on" in done.stderr) == (1, True)
    kubectl.silent = True
    done = rollout("undo", "narrators")
    assert (done.exit_code, "Is the operator running?" in done.stderr) == (1, True)


def test_kubectl_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(subprocess, "run", missing)
    done = rollout("status", "narrators")
    assert (done.exit_code, "kubectl is not on the PATH" in done.stderr) == (1, True)


def test_history_shows_what_is_stored_and_undo_returns_to_any(kubectl: Kubectl) -> None:
    def stored(member: str, number: int, rev: str, **more: str) -> dict[str, Any]:
        labels = {"fabula.dev/member": member, "fabula.dev/revision": rev, **more}
        return {"metadata": {"labels": labels, "creationTimestamp": "then"}, "revision": number}

    kubectl.items = [
        stored("chronicler", 1, "5d01be"),
        stored("chronicler", 2, "8f3c2a"),
        stored("jester", 1, "0ddba11", **{"fabula.dev/variant": "small"}),
    ]
    rows = [line.split() for line in rollout("history", "narrators").stdout.splitlines()]
    assert rows[1][:5] == ["chronicler", "full", "2", "8f3c2a", "then"]
    assert " ".join(rows[1][5:]) == "the spec asks for it"
    assert " ".join(rows[2][3:]) == "5d01be then everyone has it"
    assert rows[3][:4] == ["jester", "small", "1", "0ddba11"]
    assert rollout("undo", "narrators", "--to", "5d01be").exit_code == 0
    (patch,) = [line for line in kubectl.lines if "patch" in line]
    asked = json.loads(patch[-1])["status"]["request"]
    assert (asked["action"], asked["to"]) == ("ReturnTo", "5d01be")
