"""`fabula audit`: what a person gets from a copy of a log."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.audit import app
from crds.checkpoint import claimed
from runtime.audit import checkpoints
from tests.unit.runtime.audit.logs import payloads, rewrite, segments, written
from tests.unit.runtime.stubs.gateway import write_config, write_routes

runner = CliRunner()


def run(*arguments: str | Path) -> Result:
    return runner.invoke(app, [str(each) for each in arguments])


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    written(tmp_path / "decisions", 9)
    return tmp_path


def first_id(volume: Path) -> str:
    result = run("search", volume, "--limit", "1", "--json")
    return str(json.loads(result.output)["id"])


class Closed(BaseHTTPRequestHandler):
    """A gateway that asks for a key."""

    def do_DELETE(self) -> None:
        known = self.headers["x-api-key"] == "fk_ops_secret"
        body = b'{"key": "k-1"}' if known else b'{"title": "No key", "detail": "send one"}'
        self.send_response(200 if known else 401)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def test_a_gateway_that_asks_for_a_key_gets_the_one_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Closed) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        erase = ("erase", "Mara", "--by", "me", "--yes", "--url", url)
        assert run(*erase).exit_code == 2
        monkeypatch.setenv("FABULA_API_KEY", "fk_ops_secret")
        result = run(*erase)
        server.shutdown()
    assert result.exit_code == 0, result.output
    assert json.loads(result.output) == {"key": "k-1"}


KUBECTL = """#!/bin/sh
case "$*" in
*port-forward*) echo "Forwarding from 127.0.0.1:$PORT -> 8080"; exec sleep 30 ;;
*"get storyteller bard"*) echo '{"status": {"replicas": 1}}' ;;
*"get pvc"*) for at in $CLAIMS; do echo "persistentvolumeclaim/data-bard-gateway-$at"; done ;;
esac
"""


@pytest.mark.parametrize(("claims", "code"), [("0", 0), ("0 2", 1)])
def test_a_log_that_no_gateway_has_open_is_named_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, claims: str, code: int
) -> None:
    (tmp_path / "kubectl").write_text(KUBECTL)
    (tmp_path / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setenv("FABULA_API_KEY", "fk_ops_secret")
    monkeypatch.setenv("CLAIMS", claims)
    with ThreadingHTTPServer(("127.0.0.1", 0), Closed) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("PORT", str(server.server_port))
        result = run("erase", "Mara", "--by", "me", "--yes", "--storyteller", "bard", "-n", "play")
        server.shutdown()
    assert result.exit_code == code, result.output
    left = "kubectl -n play delete pvc data-bard-gateway-2" in result.output
    assert left == ("spec.replicas of bard to 3" in result.output) == bool(code)
    assert "delete pvc data-bard-gateway-0" not in result.output


def test_a_good_log_is_verified_and_the_end_is_0(volume: Path) -> None:
    result = run("verify", volume)
    assert result.exit_code == 0, result.output
    assert "9 entries are what was written" in result.output
    key = (volume / "decisions" / checkpoints.KEY_NAME).read_text().strip()
    document = json.loads(run("verify", volume / "decisions", "--key", key, "--json").output)
    assert document == {
        "good": True,
        "entries": 9,
        "size": 9,
        "signed": 9,
        "removedBefore": 0,
        "checkpoints": 3,
        "key": key,
        "first": None,
        "findings": [],
    }


def test_the_first_bad_entry_is_named_and_the_end_is_1(volume: Path) -> None:
    path = segments(volume / "decisions")[0]
    entries = payloads(path)
    entries[2] = entries[2].replace(b'"weight":4', b'"weight":5')
    rewrite(path, entries)
    result = run("verify", volume)
    assert result.exit_code == 1
    assert "entry 2 (d-2-" in result.output
    document = json.loads(run("verify", path, "--json").output)
    assert (document["good"], document["first"]["number"]) == (False, 2)


def test_a_root_from_a_status_and_a_kept_checkpoint_are_held_against_it(
    volume: Path, tmp_path: Path
) -> None:
    note = checkpoints.read_notes(volume / "decisions")[-1]
    root = note.splitlines()[2]
    assert run("verify", volume, "--root", f"{claimed(note).size}:{root}").exit_code == 0
    assert run("verify", volume, "--root", f"40:{root}").exit_code == 1
    assert run("verify", volume, "--root", "forty").exit_code == 2
    kept = tmp_path / "kept.txt"
    kept.write_text(note)
    assert run("verify", volume, "--checkpoint", kept).exit_code == 0


def test_decisions_are_found_shown_and_counted_again(volume: Path) -> None:
    found = run("search", volume, "ash", "--player", "Ilse", "--limit", "2", "--json")
    players = [json.loads(line)["player"] for line in found.output.splitlines()]
    assert players == ["Ilse", "Ilse"]
    assert "9 were searched" in run("search", volume).output.replace("\n", " ")
    decision = first_id(volume)
    shown = json.loads(run("show", volume, decision).output)
    assert (shown["id"], shown["player"]) == (decision, "Mara")
    counted = run("replay", volume, decision)
    assert counted.exit_code == 0
    assert "exactly the same" in counted.output


def test_the_index_can_be_kept(volume: Path) -> None:
    kept = volume / "index.db"
    assert run("search", volume, "--index", kept).output == run(
        "search", volume, "--index", kept
    ).output  # fmt: skip
    assert kept.exists()


def test_a_changed_record_is_shown_with_every_difference(volume: Path) -> None:
    path = segments(volume / "decisions")[-1]
    entries = payloads(path)
    entries[-1] = entries[-1].replace(b'"confidence":0.8', b'"confidence":0.9')
    rewrite(path, entries)
    result = run("replay", volume, first_id(volume))
    assert result.exit_code == 1
    assert [word in result.output for word in ("confidence", "0.9", "0.8")] == [True] * 3


def test_a_proof_is_made_from_a_copy(volume: Path) -> None:
    decision = first_id(volume)
    result = run("proof", decision, "--folder", volume / "decisions")
    assert result.exit_code == 0, result.output
    assert '"index": 8' in result.output
    other = "play/bard/bard-gateway-0+00000000+AAAA"
    assert run("proof", decision, "--folder", volume / "decisions", "--key", other).exit_code == 2
    assert run("proof", "d-99-00000000", "--folder", volume / "decisions").exit_code == 2
    assert run("proof", decision).exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("verify", "nowhere"),
        ("search", "nowhere"),
        ("show", "nowhere", "d-0-00000000"),
        ("erase", "Mara", "--by", "me"),
    ],
)
def test_what_cannot_be_done_ends_with_2(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_an_unknown_id_is_said(volume: Path) -> None:
    result = run("show", volume, "d-99-00000000")
    assert result.exit_code == 2
    assert "no entry d-99-00000000" in result.output


def test_models_are_asked_again_only_as_far_as_they_are_known(volume: Path) -> None:
    decision = first_id(volume)
    missing = run("replay", volume, decision, "--models")
    assert missing.exit_code == 2
    assert "gateway.json" in missing.output
    write_config(volume)
    write_routes(volume, [])
    result = run("replay", volume, decision, "--models", "--told", volume)
    assert result.exit_code == 0, result.output
    words = " ".join(result.output.split())
    assert "exactly the same" in words
    assert words.count("not asked") == 3
    assert "asked again, it would be" in words


def test_without_words_nobody_is_asked_again(volume: Path) -> None:
    decision = first_id(volume)
    (volume / "subjects.db").unlink()
    result = run("replay", volume, decision, "--models")
    assert result.exit_code == 2
    assert "cannot be read" in result.output
