import shutil
from types import SimpleNamespace

import pytest

from devcluster import build, preflight, privileges
from devcluster.errors import PreflightError
from devcluster.preflight import Package
from devcluster.progress import Progress, silent

ABSENT = Package("nftables", lambda: False, "the rules of kube-proxy")
PRESENT = Package("iproute2", lambda: True, "links")
BUILD_ONLY = Package("gcc", lambda: False, "building runc", only_to_build=True)


@pytest.fixture(autouse=True)
def _a_machine_that_has_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "missing", lambda groups: [])
    monkeypatch.setattr(preflight, "PACKAGES", (PRESENT,))
    monkeypatch.setattr(privileges, "is_root", lambda: True)
    monkeypatch.setattr(privileges, "has_capability", lambda number: True)
    _free(monkeypatch, 100)


def _free(monkeypatch: pytest.MonkeyPatch, gib: float) -> None:
    usage = SimpleNamespace(free=gib * 2**30)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)


def _message() -> str:
    with pytest.raises(PreflightError) as caught:
        preflight.check(Progress(silent), install=False)
    return str(caught.value)


def test_nothing_missing_says_nothing() -> None:
    preflight.check(Progress(silent), install=False)


def test_a_missing_package_comes_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(preflight, "PACKAGES", (PRESENT, ABSENT))
    message = _message()
    assert "nftables (the rules of kube-proxy)" in message
    assert "apt-get install -y --no-install-recommends nftables" in message
    assert "iproute2" not in message


def test_compilers_are_needed_only_while_something_is_to_be_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(preflight, "PACKAGES", (BUILD_ONLY,))
    assert preflight.missing_packages() == []
    monkeypatch.setattr(build, "missing", lambda groups: list(groups))
    assert preflight.missing_packages() == [BUILD_ONLY]


def test_everything_missing_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "PACKAGES", (ABSENT,))
    monkeypatch.setattr(privileges, "has_capability", lambda number: False)
    monkeypatch.setattr(build, "missing", lambda groups: list(groups))
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    _free(monkeypatch, 1)
    message = _message()
    for part in ("nftables", "CAP_NET_ADMIN", "CAP_SYS_ADMIN", "Go is not installed", "1.0 GiB"):
        assert part in message


def test_a_person_who_is_not_root_is_told_to_use_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privileges, "is_root", lambda: False)
    assert "sudo" in _message()


def test_packages_are_installed_only_when_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    state = {"present": False}
    package = Package("nftables", lambda: state["present"], "rules")
    calls: list[list[str]] = []

    def apt(arguments: list[str]) -> None:
        calls.append(arguments)
        state["present"] = True

    monkeypatch.setattr(preflight, "PACKAGES", (package,))
    monkeypatch.setattr(preflight, "_apt", apt)
    monkeypatch.setattr(shutil, "which", lambda name, path=None: f"/usr/bin/{name}")
    _message()
    assert calls == []
    preflight.check(Progress(silent), install=True)
    assert [call[0] for call in calls] == ["update", "install"]
    assert calls[1][-1] == "nftables"


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26)),
        ("go version go1.27rc1 linux/arm64", (1, 27)),
        ("not go", None),
    ],
)
def test_the_version_of_go_is_read(text: str, version: tuple[int, int] | None) -> None:
    assert preflight.go_version(text) == version


def test_capabilities_are_read_from_the_kernels_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    status = "Name:\tx\nCapEff:\t000001fffeffffff\n"
    assert privileges.has_capability(privileges.CAP_SYS_ADMIN, status)
    assert not privileges.has_capability(privileges.CAP_SYS_RESOURCE, status)
    assert not privileges.has_capability(privileges.CAP_SYS_ADMIN, "Name:\tx\n")
