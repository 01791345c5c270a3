"""`fabula keys`: a key is shown once, and what is kept is its hash."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from cli.main import app
from runtime.limits.keys import digest, id_of


def run(*arguments: str, **more: Any) -> Result:
    return CliRunner().invoke(app, ["keys", *arguments], **more)


def made(*arguments: str) -> tuple[str, str]:
    """A key and the Secret for it."""
    done = run("create", *arguments)
    assert done.exit_code == 0, done.output
    return done.stderr.split()[-1], done.stdout


@pytest.fixture
def kept(tmp_path: Path) -> tuple[str, Path]:
    """A key and the file with its Secret."""
    key, manifest = made("game-server", "--per-minute", "600", "--daily-usd", "50")
    path = tmp_path / "secret.yaml"
    path.write_text(manifest)
    return key, path


def test_the_key_is_told_apart_from_what_kubernetes_keeps() -> None:
    key, manifest = made("game-server", "--secret", "bard-keys", "--namespace", "play")
    assert id_of(key) == "game-server"
    assert key not in manifest
    secret = yaml.safe_load(manifest)
    assert secret["metadata"] == {"name": "bard-keys", "namespace": "play"}
    assert list(secret["data"]) == ["game-server"]


def test_keys_are_listed_with_what_they_may_do(kept: tuple[str, Path]) -> None:
    done = run("list", str(kept[1]))
    assert done.exit_code == 0
    for word in ("game-server", "decide, read, outcome, config", "600", "50"):
        assert word in done.stdout
    assert digest(kept[0]) not in done.stdout
    assert run("list", "-", input=kept[1].read_text()).stdout == done.stdout


def test_a_key_is_verified_without_standing_in_a_command(kept: tuple[str, Path]) -> None:
    key, path = kept
    for done in (
        run("verify", str(path), input=f"{key}\n"),
        run("verify", str(path), env={"FABULA_API_KEY": key}),
    ):
        assert done.exit_code == 0
        assert done.stdout.splitlines()[-1] == "game-server: decide, read, outcome, config"
    wrong = run("verify", str(path), env={"FABULA_API_KEY": made("game-server")[0]})
    assert (wrong.exit_code, "no key of that Secret" in wrong.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["create", "Game"], "cannot be the id"),
        (["create", "game", "--scopes", "write"], "scopes.0"),
        (["create", "game", "--daily-usd", "lots"], "dailyUSD"),
        (["list", "/nowhere/x.yaml"], "No such file"),
    ],
)
def test_what_is_wrong_is_said(arguments: list[str], words: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 1
    assert words in done.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "no YAML"),
        ("kind: ConfigMap", "no Secret"),
        ("{kind: Secret, data: {a: '*'}}", "no base64"),
        ("{kind: Secret, stringData: {a: '{}'}}", "a is no key: sha256"),
    ],
)
def test_what_is_no_secret_with_keys_is_said(text: str, words: str) -> None:
    done = run("list", "-", input=text)
    assert done.exit_code == 1
    assert words in done.stderr
