"""What is learnt from the machine a build runs on."""

from pathlib import Path

from images import machine


def test_pip_settings_come_from_files_and_the_environment_wins(tmp_path: Path) -> None:
    conf = tmp_path / "pip.conf"
    conf.write_text(
        "[global]\nindex-url = https://index.test/simple\ncache-dir = /somewhere\ntimeout = 5\n"
    )
    environment = {
        "HOME": str(tmp_path),
        "PIP_CONFIG_FILE": str(conf),
        "PIP_TIMEOUT": "60",
        "PIP_FIND_LINKS": "/wheels",
    }
    settings = machine.pip_settings(environment)
    assert settings["index-url"] == "https://index.test/simple"
    assert settings["timeout"] == "60"
    assert "cache-dir" not in settings
    assert "find-links" not in settings


def test_the_users_own_file_is_read(tmp_path: Path) -> None:
    folder = tmp_path / ".config/pip"
    folder.mkdir(parents=True)
    (folder / "pip.conf").write_text("[install]\nextra-index-url = https://more.test/simple\n")
    settings = machine.pip_settings({"HOME": str(tmp_path)})
    assert settings["extra-index-url"] == "https://more.test/simple"


def test_the_conf_points_at_the_certificates_only_where_there_are_some() -> None:
    with_ca = machine.pip_conf({"timeout": "60"}, with_ca=True)
    assert with_ca == f"[global]\ntimeout = 60\ncert = {machine.CA_IN_BUILD}\n"
    assert machine.pip_conf({}, with_ca=False) == "[global]\n"


def test_the_dockerfile_mounts_the_certificates_where_the_conf_says() -> None:
    dockerfile = (Path(machine.__file__).parent / "Dockerfile").read_text()
    assert dockerfile.count(f"target={machine.CA_IN_BUILD} ") == 3


def test_several_indexes_stay_one_value() -> None:
    conf = machine.pip_conf({"extra-index-url": "https://a.test\nhttps://b.test"}, with_ca=False)
    assert conf == "[global]\nextra-index-url = https://a.test\n    https://b.test\n"


def test_the_first_bundle_that_exists_is_used(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.crt"
    bundle.write_text("certificates")
    environment = {"PIP_CERT": str(tmp_path / "gone.crt"), "SSL_CERT_FILE": str(bundle)}
    assert machine.ca_bundle(environment) == bundle


def test_the_machines_own_mirror_of_our_suite_is_found() -> None:
    listing = (
        "https://packages.test/debian trixie main\n"
        "https://mirror.test/debian-security/ bookworm-security main\n"
        "https://mirror.test/debian/ bookworm contrib\n"
        "https://mirror.test/debian/ bookworm main\n"
    )
    assert machine.mirror_in(listing) == "https://mirror.test/debian"
    assert machine.mirror_in("https://archive.test/ubuntu noble main\n") is None


def test_a_registry_that_refuses_connections_does_not_answer() -> None:
    assert not machine.registry_answers("127.0.0.1:1/python:3.11", timeout=2)
