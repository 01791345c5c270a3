"""What each image is made of: the extra it installs, the folders it copies, and the key of it all.

The Dockerfile says how; a unit test holds its COPY lines to this table.
"""

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from images.process import BuildError

ROOT = Path(__file__).resolve().parent.parent
REGISTRY = "fabula.dev"
TAG = "dev"

# Bytes that do not come from the repository but shape an image: raise it when the builder itself
# changes in a way that an existing archive should not survive.
BUILDER_VERSION = "2"


@dataclass(frozen=True)
class Target:
    """One image. Paths are relative to the root of the repository."""

    name: str
    extra: str
    """The extra of pyproject.toml that this image installs."""
    base_dependencies: tuple[str, ...]
    """Which of the base dependencies it installs too; the rest is for the command line."""
    sources: tuple[str, ...]
    requirements: tuple[str, ...]

    @property
    def image(self) -> str:
        return f"{REGISTRY}/{self.name}:{TAG}"

    def names(self, key: str) -> tuple[str, str]:
        """The names of a built image: one that stays, one that changes with its content."""
        return self.image, f"{REGISTRY}/{self.name}:{key}"


_SHARED = ("aiohttp", "cryptography", "pydantic", "pydantic-settings", "pyyaml")

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target(
            name="operator",
            extra="operator",
            base_dependencies=_SHARED,
            sources=("crds", "controllers", "operators"),
            requirements=("images/requirements/operator.txt",),
        ),
        Target(
            name="gateway",
            extra="gateway",
            base_dependencies=_SHARED,
            sources=("crds", "runtime"),
            requirements=("images/requirements/gateway.txt", "images/requirements/embedder.txt"),
        ),
        Target(
            name="engine",
            extra="engine",
            base_dependencies=("aiohttp",),
            sources=("runtime/__init__.py", "runtime/llamacpp"),
            requirements=("images/requirements/engine.txt", "images/requirements/model.txt"),
        ),
    )
}

RECIPE = ("images/Dockerfile", "images/Dockerfile.dockerignore", "images/install.sh")


def files(target: Target, root: Path = ROOT) -> Iterator[Path]:
    """Every file of the repository that can change the image, relative to `root`, in order."""
    for name in sorted({*RECIPE, *target.requirements, *target.sources}):
        path = root / name
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        kept = [
            child.relative_to(root)
            for child in found
            if child.is_file() and "__pycache__" not in child.parts and child.suffix != ".pyc"
        ]
        if not kept:
            raise BuildError(
                f"image {target.name}: {name} is missing from {root}; "
                "run the build from a complete checkout"
            )
        yield from kept


def content_key(target: Target, root: Path = ROOT) -> str:
    """12 hex digits that change exactly when the image would."""
    digest = hashlib.sha256(f"{BUILDER_VERSION}\0{target.image}\0".encode())
    for path in files(target, root):
        content = (root / path).read_bytes()
        digest.update(f"{path}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:12]


def stage_context(target: Target, folder: Path, root: Path = ROOT) -> None:
    """Copy exactly the files of the key into `folder`: what is built is what was hashed.

    Modes are made uniform, so that the umask of a checkout does not change a layer.
    """
    for path in files(target, root):
        copy = folder / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / path, copy)
        copy.chmod(0o644)
    for directory in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        directory.chmod(0o755)
