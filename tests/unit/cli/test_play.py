"""`fabula play`: what a person sees."""

import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cli.play import STORY, PlayError, tell

STATUS = {
    "storyteller": "bard",
    "voices": [{"name": "oracle", "answers": True}, {"name": "jester", "answers": False}],
}
VOTES = [
    {"member": "oracle", "answer": "He asks for a song", "weight": 4, "latencyMs": 412},
    {"member": "jester", "weight": 2, "latencyMs": 0, "error": "NotReady: /readyz answers 503"},
    {"member": "scribe", "weight": 1, "latencyMs": 500},
]
DECISION = {
    "id": "d-42-9f3c1a7e",
    "decision": "He asks for a song",
    "outcome": "Vote",
    "confidence": 0.8,
    "agreement": 0.8,
    "votes": VOTES,
    "dissent": [{"answer": "He rings the bell", "weight": 2, "members": ["scribe"]}],
}


@pytest.fixture
def gateway() -> Iterator[tuple[str, list[dict[str, Any]], dict[str, Any]]]:
    """Where a gateway answers, what it was sent, and its answers by path."""
    sent: list[dict[str, Any]] = []
    answers: dict[str, Any] = {
        "/v1/status": (200, STATUS),
        "/v1/sessions": (201, {"id": "s-1"}),
        "/v1/sessions/s-1/decisions": (200, DECISION),
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers[self.path]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def do_POST(self) -> None:
            sent.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Not in the test's output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", sent, answers
    server.shutdown()
    thread.join()
    server.server_close()


def console() -> Console:
    return Console(file=io.StringIO(), width=100)


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_each_vote_and_the_decision_are_shown(gateway: Any) -> None:
    url, sent, _ = gateway
    screen = console()
    tell(url, STORY, screen)
    text = printed(screen)
    for words in [
        "bard tells",
        "1 of 2 voices answer: oracle",
        "➜  He asks for a song",
        "80% of all weight, by vote",
        "d-42-9f3c1a7e",
        "scribe would rather: He rings the bell",
        "NotReady: /readyz answers 503",
        "not needed any more",
    ]:
        assert words in text
    assert sent[0]["player"] == "Mara"
    assert len(sent) == 4
    assert "options" not in sent[3]


def test_a_problem_is_told_in_its_own_words(gateway: Any) -> None:
    url, _, answers = gateway
    answers["/v1/sessions"] = (503, {"title": "Too many", "detail": "send it again after 2 s"})
    with pytest.raises(PlayError, match="send it again after 2 s"):
        tell(url, STORY, console())


def test_a_story_that_is_none_names_the_field(tmp_path: Path) -> None:
    story = tmp_path / "story.yaml"
    story.write_text("turns: []\n")
    with pytest.raises(PlayError, match="turns"):
        tell("http://127.0.0.1:1", story, console())


def test_nobody_there_is_said_with_the_address() -> None:
    with pytest.raises(PlayError, match="v1/status"):
        tell("http://127.0.0.1:1", STORY, console())
