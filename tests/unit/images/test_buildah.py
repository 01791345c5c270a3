"""Building without a daemon, with a stand-in for buildah that writes down what it was asked."""

import json
import os
import tarfile
from pathlib import Path

import pytest

from images import TARGETS, BuildError, build, content_key
from images.buildah import unmount_below

NO_DOCKER = "#!/bin/sh\nexit 1\n"
BUILDAH = """#!/bin/sh
echo "$BUILDAH_ISOLATION $@" >> {folder}/calls
case "$*" in
*--storage-driver=overlay*) if [ -e {folder}/no-overlay ]; then exit 1; fi ;;
esac
case "$4" in
images) cat {folder}/images 2>/dev/null ;;
bud) if [ -e {folder}/broken ]; then echo "no such package"; exit 1; fi ;;
push) for last; do :; done; mkdir "${{last#dir:}}"; echo '{{}}' > "${{last#dir:}}/manifest.json" ;;
esac
exit 0
"""
BASE = "localhost/a-base:1"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with buildah and no Docker engine; the folder holds what buildah was asked."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (("docker", NO_DOCKER), ("buildah", BUILDAH.format(folder=folder))):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return folder


def calls(machine: Path, command: str) -> list[str]:
    lines = (machine / "calls").read_text().splitlines()
    return [line for line in lines if line.split()[4] == command]


def quiet(text: str) -> None:
    pass


def test_an_archive_carries_both_names(machine: Path, tmp_path: Path) -> None:
    archive = build(("engine",), quiet, base=BASE, cache=tmp_path / "cache")["engine"]
    with tarfile.open(archive) as content:
        index = content.extractfile("index.json")
        assert index is not None
        manifests = json.load(index)["manifests"]
    key = content_key(TARGETS["engine"])
    assert [each["annotations"]["org.opencontainers.image.ref.name"] for each in manifests] == [
        "fabula.dev/engine:dev",
        f"fabula.dev/engine:{key}",
    ]


def test_the_build_needs_no_daemon_and_pulls_no_local_base(machine: Path, tmp_path: Path) -> None:
    build(("engine",), quiet, base=BASE, cache=tmp_path / "cache")
    (call,) = calls(machine, "bud")
    assert call.startswith("chroot ")
    assert "--layers" in call
    assert "--pull-never" in call
    assert f"--build-arg=BASE={BASE}" in call
    assert f"--root={tmp_path / 'cache/buildah/storage'}" in call


def test_without_overlay_the_storage_is_plain_folders(machine: Path, tmp_path: Path) -> None:
    (machine / "no-overlay").touch()
    build(("engine",), quiet, base=BASE, cache=tmp_path / "cache")
    assert "--storage-driver=vfs" in calls(machine, "bud")[0]


def test_what_a_killed_build_left_is_removed_first(machine: Path, tmp_path: Path) -> None:
    build(("engine",), quiet, base=BASE, cache=tmp_path / "cache")
    first = (machine / "calls").read_text().splitlines()[0]
    assert first.endswith("rm --all")


@pytest.mark.parametrize(("images", "pruned"), [(500, 0), (501, 1)])
def test_old_stages_are_removed_when_there_are_many(
    machine: Path, tmp_path: Path, images: int, pruned: int
) -> None:
    (machine / "images").write_text("0123456789ab\n" * images)
    build(("engine",), quiet, base=BASE, cache=tmp_path / "cache")
    assert len(calls(machine, "rmi")) == pruned


def test_a_failure_shows_what_buildah_said(machine: Path, tmp_path: Path) -> None:
    (machine / "broken").touch()
    with pytest.raises(BuildError, match="no such package"):
        build(("engine",), quiet, base=BASE, cache=tmp_path / "cache")


def test_someone_without_root_is_told_what_to_do(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(BuildError, match="run as root or start Docker"):
        build(("engine",), quiet, base=BASE, cache=tmp_path / "cache")


def test_a_machine_without_buildah_is_told_what_to_install(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(BuildError, match="apt-get install buildah debootstrap"):
        build(("engine",), quiet, base=BASE, cache=tmp_path / "cache")


def test_nothing_is_unmounted_elsewhere(tmp_path: Path) -> None:
    before = Path("/proc/self/mountinfo").read_text()
    unmount_below(tmp_path)
    assert Path("/proc/self/mountinfo").read_text() == before
