"""One gateway at a time on a volume: a second one, such as after a forced deletion, would write its
decisions over those of the first."""

import asyncio
import fcntl
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import structlog

log = structlog.get_logger(__name__)

#: Longer than a gateway drains, shorter than its startup probe waits.
WAIT_SECONDS = 100.0
_PAUSE_SECONDS = 0.2


class VolumeInUseError(Exception):
    """Another gateway holds the volume."""


async def hold(folder: Path, stopped: Callable[[], bool]) -> BinaryIO:
    """Take the volume; it is free again when the file is closed or this process ends.

    Raises:
        VolumeInUseError: another gateway kept it for all the time, or ``stopped`` came true.
        OSError: the volume refused.
    """
    file = _opened(folder)
    until = time.monotonic() + WAIT_SECONDS
    waiting = False
    try:
        while not _locked(file):
            if stopped() or time.monotonic() >= until:
                raise VolumeInUseError(
                    f"another gateway still holds {file.name}: delete the pod "
                    "that still uses this volume, or wait until it has ended"
                )
            if not waiting:
                log.warning("volume_in_use", lock=file.name, patience=WAIT_SECONDS)
                waiting = True
            await asyncio.sleep(_PAUSE_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311  (jitter)
    except BaseException:
        file.close()
        raise
    return file


def _opened(folder: Path) -> BinaryIO:
    folder.mkdir(parents=True, exist_ok=True)
    return (folder / "lock").open("ab")


def _locked(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
