"""The same build with a Docker engine, where one answers."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from images.job import BUILD_TIMEOUT, Job
from images.process import run

_SAVE_TIMEOUT = 300.0
_TAG_TIMEOUT = 30.0


def docker_answers(timeout: float = 10.0) -> bool:
    if shutil.which("docker") is None:
        return False
    try:
        result = subprocess.run(
            ["docker", "version", "--format", "{{.Server.Version}}"],
            capture_output=True,
            timeout=timeout,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return result.returncode == 0


def build(job: Job, log: Path, lock: int) -> None:
    run(
        ["docker", "build", "--progress=plain", *job.arguments],
        timeout=BUILD_TIMEOUT,
        log=log,
        env=os.environ | {"DOCKER_BUILDKIT": "1"},
        keep_open=(lock,),
        on_line=job.on_line,
    )


def save(image: str, names: Sequence[str], archive: Path, log: Path, lock: int) -> None:
    """Write an archive with all names, of which `image` is the one that was built."""
    for name in names:
        run(["docker", "tag", image, name], timeout=_TAG_TIMEOUT, log=log, keep_open=(lock,))
    run(
        ["docker", "save", f"--output={archive}", *names],
        timeout=_SAVE_TIMEOUT,
        log=log,
        keep_open=(lock,),
    )
