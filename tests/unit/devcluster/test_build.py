import os
import threading
from pathlib import Path

import pytest

from devcluster import build, modules
from devcluster.errors import BuildError
from devcluster.progress import Progress, silent
from devcluster.versions import Group

GROUP = Group(name="tool", version="v1", module="example.org/tool", programs={"tool": ""})
FAKE_GO = """\
#!/bin/sh
echo call >>"$CALLS"
while [ "$1" != -o ]; do shift; done
[ -z "$FAIL" ] || { echo "undefined: x"; exit 1; }
[ -n "$NOTHING" ] || echo program >"$2/tool"
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `go` that writes a program and counts how often it was asked to."""
    (tmp_path / "bin").mkdir()
    go = tmp_path / "bin" / "go"
    go.write_text(FAKE_GO)
    go.chmod(0o755)
    source = tmp_path / "modules" / "tool"
    source.mkdir(parents=True)
    (source / "go.mod").write_text("module x\n")
    monkeypatch.setattr(modules, "MODULES", tmp_path / "modules")
    monkeypatch.setenv("PATH", f"{go.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("FAIL", "")
    monkeypatch.setenv("NOTHING", "")
    return tmp_path / "calls"


def _ensure() -> None:
    build.ensure([GROUP], Progress(silent))


def test_what_was_built_is_not_built_again(calls: Path) -> None:
    _ensure()
    _ensure()
    assert calls.read_text().count("call") == 1
    assert build.program(GROUP, "tool").read_text() == "program\n"


def test_the_rest_of_a_killed_build_is_never_taken_for_a_program(calls: Path) -> None:
    stray = build.entry(GROUP).parent / ".building-tool-x1"
    stray.mkdir(parents=True)
    (stray / "tool").write_text("half a program")
    assert build.missing([GROUP]) == [GROUP]
    _ensure()
    assert build.program(GROUP, "tool").read_text() == "program\n"
    assert not list(stray.parent.glob(".building*"))


def test_two_that_ask_at_once_build_once(calls: Path) -> None:
    threads = [threading.Thread(target=_ensure) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert calls.read_text().count("call") == 1


def test_a_failed_build_shows_the_compilers_words(
    calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIL", "yes")
    with pytest.raises(BuildError, match="undefined: x"):
        _ensure()
    assert build.missing([GROUP]) == [GROUP]


def test_a_build_that_made_nothing_is_not_published(
    calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTHING", "yes")
    with pytest.raises(BuildError, match="made no tool"):
        _ensure()
    assert build.missing([GROUP]) == [GROUP]


def test_the_cache_key_follows_everything_that_shapes_the_program(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module x\n")
    before = build.digest(GROUP, tmp_path)
    (tmp_path / "go.sum").write_text("")
    after_sum = build.digest(GROUP, tmp_path)
    flags = Group(**(vars(GROUP) | {"ldflags": "-w"}))
    assert len({before, after_sum, build.digest(flags, tmp_path)}) == 3
    assert build.digest(GROUP, tmp_path) == after_sum


def test_tags_reach_the_compiler() -> None:
    group = Group(name="runc", version="v1", module="m", programs={"runc": ""}, tags="seccomp")
    argv = build.command(group, Path("/out"))
    assert argv[argv.index("-tags") + 1] == "seccomp"
    assert argv[-2:] == ["/out/", "m"]
