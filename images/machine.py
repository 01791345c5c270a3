"""How this machine reaches the outside: package index, certificates, Debian mirror, registry.

All of it is lent to a build and none of it enters an image or the repository.
"""

import configparser
import os
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

DEBIAN_SUITE = "bookworm"
DEBIAN_MIRROR = "http://deb.debian.org/debian"

CA_IN_BUILD = "/etc/fabula-build-ca.crt"
"""Where the Dockerfile mounts the certificates."""

# What says how to reach an index. Local paths (find-links, cache-dir) mean nothing inside a build.
_PIP_KEYS = (
    "index-url",
    "extra-index-url",
    "trusted-host",
    "proxy",
    "timeout",
    "default-timeout",
    "retries",
)
_SYSTEM_CA = Path("/etc/ssl/certs/ca-certificates.crt")


def _pip_files(environment: Mapping[str, str]) -> list[Path]:
    """pip's configuration files, from the weakest to the strongest."""
    home = Path(environment.get("HOME", "/root"))
    config_home = Path(environment.get("XDG_CONFIG_HOME", home / ".config"))
    files = [
        Path("/etc/xdg/pip/pip.conf"),
        Path("/etc/pip.conf"),
        home / ".pip/pip.conf",
        config_home / "pip/pip.conf",
    ]
    if "VIRTUAL_ENV" in environment:
        files.append(Path(environment["VIRTUAL_ENV"]) / "pip.conf")
    if "PIP_CONFIG_FILE" in environment:
        files.append(Path(environment["PIP_CONFIG_FILE"]))
    return files


def pip_settings(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What pip on this machine would use to reach its index."""
    settings: dict[str, str] = {}
    for file in _pip_files(environment):
        parser = configparser.RawConfigParser()
        parser.read(file)
        for section in ("global", "install"):
            if parser.has_section(section):
                settings |= {key: value for key, value in parser.items(section) if key in _PIP_KEYS}
    for key in _PIP_KEYS:
        value = environment.get("PIP_" + key.upper().replace("-", "_"))
        if value:
            settings[key] = value
    return settings


def ca_bundle(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The certificates that this machine trusts."""
    names = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")
    for candidate in (*(environment.get(name, "") for name in names), str(_SYSTEM_CA)):
        if candidate and Path(candidate).is_file():
            return Path(candidate)
    return None


def pip_conf(settings: Mapping[str, str], *, with_ca: bool) -> str:
    """A pip.conf for inside the build."""
    lines = ["[global]", *(f"{key} = {value}" for key, value in sorted(settings.items()))]
    if with_ca:
        lines.append(f"cert = {CA_IN_BUILD}")
    # A value of several lines (extra-index-url) continues by indentation.
    return "\n".join(line.replace("\n", "\n    ") for line in lines) + "\n"


def debian_mirror() -> str:
    """The mirror of this machine's own apt sources that has our suite, else the public one."""
    try:
        listing = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)",
             "Created-By: Packages"],
            capture_output=True, text=True, timeout=30, check=True,
        ).stdout  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return DEBIAN_MIRROR
    return mirror_in(listing) or DEBIAN_MIRROR


def mirror_in(listing: str) -> str | None:
    for line in listing.splitlines():
        match line.split():
            case [uri, suite, "main"] if suite == DEBIAN_SUITE:
                return uri.rstrip("/")
    return None


def registry_answers(image: str, timeout: float = 5.0) -> bool:
    """Whether the registry of a qualified image is there (asking for a login is an answer)."""
    host = image.split("/", 1)[0]
    host = "registry-1.docker.io" if host == "docker.io" else host
    bundle = ca_bundle()
    context = ssl.create_default_context(cafile=str(bundle) if bundle else None)
    try:
        urllib.request.urlopen(f"https://{host}/v2/", timeout=timeout, context=context).close()
    except urllib.error.HTTPError as error:
        return error.code == 401
    except OSError:
        return False
    return True
