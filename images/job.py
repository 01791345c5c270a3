"""One image to build, in the words that docker and buildah share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from images.targets import Target

BUILD_TIMEOUT = 1800.0


@dataclass(frozen=True)
class Job:
    target: Target
    context: Path
    base: str
    builder: str
    secrets: Mapping[str, Path]
    on_line: Callable[[str], None]

    @property
    def arguments(self) -> tuple[str, ...]:
        return (
            f"--file={self.context / 'images/Dockerfile'}",
            f"--target={self.target.name}",
            f"--tag={self.target.image}",
            f"--build-arg=BASE={self.base}",
            f"--build-arg=BUILDER={self.builder}",
            *(f"--secret=id={name},src={path}" for name, path in self.secrets.items()),
            str(self.context),
        )
