"""`fabula rollout report`: what the page says of each way that a rollout can go, and that nothing
in it is loaded from elsewhere or taken for markup."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner, Result

from cli import report
from cli.main import app
from cli.picture import Story, render
from crds.history import History
from tests.unit.controllers.ensemble.rollout.test_analysis import (
    ERRORS,
    Gateway,
    begun,
    compared,
    judged,
    kept,
    see,
)
from tests.unit.controllers.ensemble.rollout.test_rollout import PERSON, TIMED, Stage

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
VOID = {"meta", "br"}


class Page(HTMLParser):
    """A page read strictly: each tag is closed by its own."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def count(self, tag: str) -> int:
        return sum(found == tag for found, _ in self.tags)


def objects(stage: Stage) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The ensemble and the ConfigMap as kubectl would print them."""
    rollout = {"rollout": stage.rollout} if stage.rollout else {}
    ensemble = {
        "metadata": {"name": "narrators", "namespace": "play"},
        "spec": {"members": stage.members, **rollout},
        "status": stage.state.dump(),
    }
    return ensemble, stage.children.get("ConfigMap", "narrators-analysis")


def page(stage: Stage) -> Page:
    return Page(render(report.of_rollout(*objects(stage)), NOW, UTC))


def running() -> Stage:
    stage, gateway = begun(steps=[{**TIMED, "trafficPercent": 5}, TIMED]), Gateway()
    for _ in range(3):
        see(stage, gateway.play(stage, 7))
        stage.wait(1)
    return stage


def harmful() -> Stage:
    stage = running()
    see(stage, Gateway("two").play(stage, 200, canary=0.3))
    return stage


def promoted() -> Stage:
    stage = running()
    see(stage, Gateway("two").play(stage, 300))
    return stage.wait(10).wait(10)


def inconclusive() -> Stage:
    stage = begun({**ERRORS, "marginPoints": "0.5"}, analysis={"maxPairs": 50})
    see(stage, Gateway().play(stage, 50))
    return stage


def unseen() -> Stage:
    stage = begun(analysis={"deadlineMinutes": 30}, whenInconclusive="RollBack")
    return stage.wait(40)


def unjudged() -> Stage:
    stage = Stage(steps=[PERSON, TIMED])
    stage.edit(*begun().members)
    stage.wait(1)
    stage.ask("SkipStep")
    return stage


def undone() -> Stage:
    stage = promoted()
    stage.ask("Undo")
    return stage


def disliked() -> Stage:
    stage = judged()
    see(stage, compared(stage, *([0.0, 0.5, 0.0, 0.5, 0.25] * 20)))
    return stage


STAGES = [disliked, running, harmful, promoted, inconclusive, unseen, unjudged, undone]


@pytest.mark.parametrize(
    ("make", "headline", "also"),
    [
        (running, "has 5 % of new sessions, and nothing is decided yet", "● Open"),
        (harmful, "was sent back: it is worse", "✕ Harmful"),
        (promoted, "is everyone’s, proven no worse", "✓ Proven"),
        (inconclusive, "is paused at 50 % of new sessions: its sessions decided nothing", "● Open"),
        (unseen, "was sent back: its sessions decided nothing", "No sessions count yet"),
        (unjudged, "has 50 % of new sessions", "Nothing was judged: there are no guardrails"),
        (disliked, "was sent back: it is worse", "shadow − 50 %"),
        (undone, "was everyone’s and was taken back", "Undo: done, everyone is told by"),
    ],
)
def test_the_page_says_what_became_of_it_and_why(
    make: Callable[[], Stage], headline: str, also: str
) -> None:
    stage = make()
    told = page(stage)
    assert f"{stage.status.member} {stage.member().revision} {headline}" in told.text
    assert also in told.text
    message = stage.status.message
    assert message[:1].upper() + message[1:] in told.text
    for entry in History.model_validate_json(kept(stage)["history.json"]).log:
        assert entry.words in told.text
    for heading in ("What must not get worse", "Who was exposed", "What happened when"):
        assert heading in told.text


@pytest.mark.parametrize("make", STAGES)
def test_pictures_are_titled_and_drawn_inside_their_frame(make: Callable[[], Stage]) -> None:
    text = render(report.of_rollout(*objects(make())), NOW, UTC)
    pictures = [part.split("</svg>")[0] for part in text.split("<svg")[1:]]
    assert len(pictures) >= 1
    names: list[str] = []
    for picture in pictures:
        svg = ElementTree.fromstring(f"<svg{picture}</svg>")
        _, _, width, height = map(float, svg.attrib["viewBox"].split())
        title, desc = svg[0], svg[1]
        assert (title.tag, desc.tag) == ("title", "desc")
        assert title.text
        assert desc.text
        assert svg.attrib["aria-labelledby"] == f"{title.attrib['id']} {desc.attrib['id']}"
        names.append(title.attrib["id"])
        for shape in svg[2:]:
            for pair in shape.attrib.get("points", "").split():
                x, y = map(float, pair.split(","))
                assert 0 <= x <= width
                assert 0 <= y <= height
    assert len(set(names)) == len(names)


def test_what_is_judged_has_its_figures_in_a_table_beside_each_picture() -> None:
    stage = promoted()
    told = page(stage)
    assert told.count("svg") == 5
    assert told.count("details") == 1
    assert stage.status.verdict is not None
    assert (
        "After 321 pairs of sessions; what is not proven after 5,000 is Inconclusive" in told.text
    )
    assert "321 sessions were given to the canary and 321 to its baseline" in told.text
    assert stage.status.verdict.digest in told.text


def test_nothing_is_loaded_from_elsewhere_and_nothing_runs() -> None:
    text = render(report.of_rollout(*objects(promoted())), NOW, UTC)
    told = Page(text)
    assert "://" not in text
    assert not {"script", "link", "img", "iframe", "object", "a"} & {tag for tag, _ in told.tags}
    names = {name for _, attributes in told.tags for name in attributes}
    assert not {name for name in names if name in {"src", "href"} or name.startswith("on")}
    assert "url(" not in text
    assert "@import" not in text


NO_TIME = '{"log": [{"time": "now", "kind": "Phase", "mark": "", "words": ""}]}'
HOSTILE = "</title></svg><script>alert(1)</script>{{ 7*7 }}&amp;\"'"


def test_no_text_is_taken_for_markup() -> None:
    stage = promoted()
    ensemble, kept = objects(stage)
    assert kept is not None
    history = History.model_validate_json(kept["data"]["history.json"])
    assert history.criteria is not None
    metric = history.criteria.metrics[0].model_copy(update={"name": HOSTILE})
    history = history.model_copy(
        update={
            "criteria": history.criteria.model_copy(update={"metrics": [metric]}),
            "log": [*history.log, history.log[0].model_copy(update={"words": HOSTILE})],
        }
    )
    kept["data"]["history.json"] = history.model_dump_json(by_alias=True)
    ensemble["status"]["rollout"] |= {"message": HOSTILE, "member": HOSTILE[:20]}
    told = Page(render(report.of_rollout(ensemble, kept), NOW, UTC))
    assert told.count("script") == 0
    assert told.text.count(HOSTILE) >= 4


def test_the_log_is_told_in_local_time_where_that_is_another() -> None:
    story = report.of_rollout(*objects(promoted()))
    assert "Where this was made" not in Page(render(story, NOW, UTC)).text
    there = render(story, NOW, timezone(timedelta(hours=9), "JST"))
    assert "Mon 23 Nov 21:00:00 JST" in Page(there).text


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (None, "No history was kept"),
        ({"rollout": "another", "history.json": "{}"}, "No history was kept"),
        ({"history.json": "{"}, "is of another version, or damaged"),
        ({"history.json": NO_TIME}, "is of another version, or damaged"),
    ],
)
def test_without_a_history_the_status_is_told_and_what_is_missing(data: Any, told: str) -> None:
    stage = promoted()
    ensemble, kept = objects(stage)
    found = None
    if kept is not None and data is not None:
        found = {**kept, "data": {"rollout": stage.status.salt, **data}}
    story = report.of_rollout(ensemble, found)
    text = Page(render(story, NOW, UTC)).text
    assert told in text
    assert "is everyone’s, proven no worse" in text
    assert "No log was kept of this" in text


def test_a_story_of_anything_else_is_told_the_same_way() -> None:
    told = Page(render(Story("Experiment 3", "it won", "so it is", "Good", "Promoted"), NOW, UTC))
    assert "Experiment 3" in told.text
    assert "✓ Promoted so it is" in told.text


def test_an_ensemble_that_left_rollouts_alone_says_what_became_of_the_last() -> None:
    stage = running()
    stage.rollout = None
    stage.look()
    assert "is everyone’s" in page(stage).text
    gone = running()
    gone.edit(gone.members[0])
    assert "ended before its time" in page(gone).text


# --- the command -------------------------------------------------------------------------------


class Kubectl:
    """Answers with these objects."""

    def __init__(self, ensemble: Any, kept: Any) -> None:
        self.answers = {"modelensemble": ensemble, "configmap": kept}
        self.lines: list[list[str]] = []

    def __call__(self, argv: Sequence[str], env: object, *, timeout: float) -> str:
        self.lines.append(list(argv))
        found = next(obj for kind, obj in self.answers.items() if kind in argv)
        return "" if found is None else json.dumps(found)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["rollout", "report", "narrators", *arguments])


def test_the_command_writes_the_page_and_names_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kubectl = Kubectl(*objects(promoted()))
    monkeypatch.setattr("cli.asking.run", kubectl)
    monkeypatch.chdir(tmp_path)
    shown: list[str] = []
    monkeypatch.setattr("webbrowser.open", shown.append)
    done = run("-n", "play")
    assert (done.exit_code, done.stdout) == (0, "Written: narrators.html\n"), done.output
    assert "proven no worse" in (tmp_path / "narrators.html").read_text()
    assert all(line[:3] == ["kubectl", "--namespace", "play"] for line in kubectl.lines)
    assert shown == []
    done = run("-o", "other.html", "--open")
    assert done.exit_code == 0, done.output
    assert shown == [(tmp_path / "other.html").resolve().as_uri()]


def test_a_rollout_of_which_nothing_was_kept_has_a_page_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ensemble, _ = objects(promoted())
    monkeypatch.setattr("cli.asking.run", Kubectl(ensemble, None))
    done = run("-o", str(tmp_path / "page.html"))
    assert done.exit_code == 0, done.output


def test_what_cannot_be_reported_is_an_error_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ensemble, kept = objects(Stage())
    monkeypatch.setattr("cli.asking.run", Kubectl(ensemble, kept))
    done = run()
    assert (done.exit_code, "narrators has had no rollout yet" in done.stderr) == (1, True)
    monkeypatch.setattr("cli.asking.run", Kubectl(*objects(promoted())))
    done = run("-o", str(tmp_path / "no" / "such.html"))
    assert (done.exit_code, "give another file with -o" in done.stderr) == (1, True)
    ensemble["status"]["rollout"] = {"number": 0}
    monkeypatch.setattr("cli.asking.run", Kubectl(ensemble, None))
    done = run()
    assert (done.exit_code, "status.rollout.number" in done.stderr) == (1, True)
