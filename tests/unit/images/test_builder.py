"""Building into the cache, with a stand-in for docker that writes down what it was asked."""

import os
import threading
from pathlib import Path

import pytest

from images import TARGETS, BuildError, build, content_key
from images.builder import _progress
from images.targets import ROOT

DOCKER = """#!/bin/sh
echo "$@" >> {calls}
case "$1" in
version) echo 28 ;;
build) if [ -e {broken} ]; then echo "no space left on device"; exit 1; fi ;;
save) for a in "$@"; do case $a in --output=*) echo image > "${{a#--output=}}" ;; esac; done ;;
esac
"""


class FakeDocker:
    def __init__(self, folder: Path) -> None:
        self._calls = folder / "calls"
        self._broken = folder / "broken"
        program = folder / "docker"
        program.write_text(DOCKER.format(calls=self._calls, broken=self._broken))
        program.chmod(0o755)

    def calls(self, command: str) -> list[str]:
        lines = self._calls.read_text().splitlines() if self._calls.exists() else []
        return [line for line in lines if line.split()[0] == command]

    def breaks(self, *, now: bool) -> None:
        self._broken.touch() if now else self._broken.unlink()


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDocker:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return FakeDocker(folder)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def quiet(text: str) -> None:
    pass


def test_an_archive_lies_under_its_content(docker: FakeDocker, cache: Path) -> None:
    said: list[str] = []
    archives = build(("engine",), said.append, cache=cache)
    key = content_key(TARGETS["engine"])
    assert archives == {"engine": cache / key / "engine.tar"}
    assert archives["engine"].read_text() == "image\n"
    assert any(f"fabula.dev/engine:{key}" in text for text in said)
    (saved,) = docker.calls("save")
    assert saved.endswith(f"fabula.dev/engine:dev fabula.dev/engine:{key}")


def test_a_second_build_asks_for_nothing(docker: FakeDocker, cache: Path) -> None:
    first = build(("engine",), quiet, cache=cache)
    calls = len(docker.calls("build"))
    assert build(("engine",), quiet, cache=cache) == first
    assert len(docker.calls("build")) == calls == 1
    assert len(docker.calls("version")) == 1


def test_the_build_gets_a_way_to_the_index_and_keeps_no_copy(
    docker: FakeDocker, cache: Path
) -> None:
    build(("engine",), quiet, cache=cache, base="registry.test/python:3.11")
    (call,) = docker.calls("build")
    assert "--secret=id=pip.conf,src=" in call
    assert "--secret=id=ca.crt,src=" in call
    assert "--build-arg=BASE=registry.test/python:3.11" in call
    assert "--target=engine" in call
    assert not list(cache.glob("work-*"))


def test_a_failed_build_leaves_no_archive_and_the_next_one_repairs(
    docker: FakeDocker, cache: Path
) -> None:
    docker.breaks(now=True)
    with pytest.raises(BuildError, match="no space left on device"):
        build(("engine",), quiet, cache=cache)
    assert not list(cache.rglob("*.tar"))
    docker.breaks(now=False)
    assert build(("engine",), quiet, cache=cache)["engine"].exists()


def test_what_a_killed_build_left_is_cleared(docker: FakeDocker, cache: Path) -> None:
    leftover = cache / "work-killed/engine"
    leftover.mkdir(parents=True)
    (leftover / "half.tar").write_text("half")
    build(("engine",), quiet, cache=cache)
    assert not leftover.exists()


def test_two_builds_at_once_build_once(docker: FakeDocker, cache: Path) -> None:
    threads = [
        threading.Thread(target=build, args=(("engine",), quiet), kwargs={"cache": cache})
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(docker.calls("build")) == 1


def test_only_the_newest_archives_are_kept(docker: FakeDocker, cache: Path) -> None:
    for number in range(6):
        old = cache / f"old{number}"
        old.mkdir(parents=True)
        (old / "engine.tar").write_text("old")
        os.utime(old / "engine.tar", (number, number))
    archive = build(("engine",), quiet, cache=cache)["engine"]
    kept = sorted(path.parent.name for path in cache.glob("*/engine.tar"))
    assert kept == sorted([archive.parent.name, "old5"])
    assert not (cache / "old0").exists()


def test_an_unknown_image_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BuildError, match="no image bard; the images are operator, gateway, engine"):
        build(("bard",))


def test_progress_speaks_when_a_long_stage_begins() -> None:
    said: list[str] = []
    on_line = _progress(TARGETS["engine"], said.append)
    for line in (
        "[4/11] STEP 1/3: FROM 6d3c79be1b86 AS engine-lib",
        "[7/11] STEP 1/4: FROM 6d3c79be1b86 AS engine-app",
        "#9 [engine-app 2/4] COPY runtime/__init__.py",
        "[3/11] STEP 1/3: FROM 6d3c79be1b86 AS gateway-lib",
    ):
        on_line(line)
    assert said == ["engine: dependencies", "engine: code"]


def test_the_plain_docker_build_sends_only_what_the_images_need() -> None:
    ignore = (ROOT / "images/Dockerfile.dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in ignore if line.startswith("!")}
    assert "*" in ignore
    for target in TARGETS.values():
        for name in (*target.sources, *target.requirements):
            assert any(name == entry or name.startswith(f"{entry}/") for entry in allowed), name
