"""`fabula demo` takes no status for the truth that is older than the operator it installed."""

import json
from pathlib import Path

import pytest

from cli.install import leave_to_new
from cli.run import CommandError
from cli.settle import settle

KUBECTL = """#!/bin/sh
printf '%s\\n' "$*" >> "$TOLD"
case "$*" in
*"get world,st"*) echo world.fabula.dev/emberfall storyteller.fabula.dev/bard ;;
*"get pods"*) echo "$LEAVING" ;;
*"condition=Reconciling=False"*) exit "${UNDER_WAY:-0}" ;;
esac
"""


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "kubectl").write_text(KUBECTL)
    (tmp_path / "kubectl").chmod(0o755)
    return {"PATH": f"{tmp_path}:/bin:/usr/bin", "TOLD": str(tmp_path / "told")}


def told(env: dict[str, str]) -> list[str]:
    return Path(env["TOLD"]).read_text().splitlines()


def test_each_object_is_looked_at_again_before_its_conditions_count(env: dict[str, str]) -> None:
    settle(env, "emberfall", "world,st", 5)
    _, *patches, answered, still, ready = told(env)
    assert ["world" in line for line in patches] == [True, False]
    asked = json.loads(patches[0].split("--patch ")[1])["status"]["request"]
    assert asked["action"] == "Reconcile"
    assert f"--for=jsonpath={{.status.lastRequest.id}}={asked['id']}" in answered
    assert "--for=condition=Reconciling=False" in still
    assert "--for=condition=Ready" in ready


def test_a_rollout_that_does_not_end_is_an_error(env: dict[str, str]) -> None:
    with pytest.raises(CommandError, match="Reconciling"):
        settle({**env, "UNDER_WAY": "1"}, "emberfall", "world,st", 5)


def test_an_operator_that_is_leaving_is_waited_for(env: dict[str, str]) -> None:
    leave_to_new(env)
    assert "rollout status" in told(env)[0]
    assert "wait" not in told(env)[-1]
    leave_to_new({**env, "LEAVING": "fabula-operator-old"})
    assert "wait --for=delete pod/fabula-operator-old" in told(env)[-1]
