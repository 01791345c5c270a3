"""Bringing one file to disk: it goes on where it broke off, is bounded, and hashed on the way."""

import asyncio
import contextlib
import errno
import hashlib
import os
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, Self

import structlog

from runtime.models.problems import ModelError

log = structlog.get_logger(__name__)

#: Tries in a row that bring nothing before this pod gives up and leaves it to the next one; between
#: them a pause from 0 to twice the last bound ("full jitter").
BARREN_TRIES = 5
PAUSE_SECONDS, PAUSE_CAP = 0.5, 15.0
#: Seconds between lines about progress.
TELL_SECONDS = 5.0
_BLOCK = 2**20


@dataclass(frozen=True)
class Part:
    """A file from some byte on.

    Attributes:
        start: the byte that the first chunk begins with; 0 where the server cannot skip.
        size: of the whole file in bytes, where the server says it.
        chunks: what follows. Ending early is an error of whoever made the iterator.
    """

    start: int
    size: int | None
    chunks: AsyncIterator[bytes]


class Source(Protocol):
    """A file somewhere else."""

    @property
    def name(self) -> str:
        """What a person calls it."""
        ...

    def read(self, start: int) -> AbstractAsyncContextManager[Part]:
        """The file from this byte on.

        Raises:
            ModelError: `Unreachable` where another try may help.
        """
        ...


@dataclass(frozen=True)
class Fetched:
    """A file that came: SHA-256 in hex, bytes, and whether they came in one piece."""

    digest: str
    size: int
    at_once: bool


async def fetch(source: Source, path: Path, limit: int) -> Fetched:
    """Bring a file to a path, from where an earlier try ended.

    Args:
        source: the file.
        path: where it goes; what is there already is taken for its beginning.
        limit: the most bytes that it may have.

    Raises:
        ModelError: it is too large, there is no space, or it could not be had.
    """
    with _Partial(path) as file:
        begun = file.size
        tries = await _to_the_end(source, file, limit)
        file.sync()
        return Fetched(file.digest.hexdigest(), file.size, at_once=begun == 0 and tries == 1)


async def digest_of(source: Source, limit: int) -> tuple[str, int]:
    """SHA-256 in hex and size of a file, without keeping it."""
    counted = _Counted()
    await _to_the_end(source, counted, limit)
    return counted.digest.hexdigest(), counted.size


class _Counted:
    """Bytes that are hashed and forgotten."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self.size = 0

    def restart(self) -> None:
        self.digest = hashlib.sha256()
        self.size = 0

    def add(self, chunk: bytes) -> None:
        self.digest.update(chunk)
        self.size += len(chunk)


class _Partial(_Counted):
    """A file that grows, and the hash of it so far."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._name = path.name
        with self._writing():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = path.open("a+b")
            self._file.seek(0)
            while block := self._file.read(_BLOCK):
                super().add(block)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # What could not be written has been told already.
        with contextlib.suppress(OSError):
            self._file.close()

    def restart(self) -> None:
        super().restart()
        with self._writing():
            self._file.truncate(0)

    def add(self, chunk: bytes) -> None:
        with self._writing():
            self._file.write(chunk)
        super().add(chunk)

    def sync(self) -> None:
        with self._writing():
            self._file.flush()
            os.fsync(self._file.fileno())

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Turns an error of the disk into ours, so that nobody takes it for one of the network."""
        try:
            yield
        except OSError as error:
            raise disk_error(error, self._name) from None


async def _to_the_end(source: Source, into: _Counted, limit: int) -> int:
    """Read until it is whole, or until nothing has come for several tries. Returns the tries."""
    barren = tries = 0
    while True:
        before, tries = into.size, tries + 1
        try:
            await _read(source, into, limit)
            return tries
        except ModelError as error:
            barren = 0 if into.size > before else barren + 1
            if error.problem != "Unreachable" or barren >= BARREN_TRIES:
                raise
            log.warning("broke off", file=source.name, bytes=into.size, why=str(error))
            bound = min(PAUSE_CAP, PAUSE_SECONDS * 2**barren)
            await asyncio.sleep(random.uniform(0, bound))  # noqa: S311  (jitter)


async def _read(source: Source, into: _Counted, limit: int) -> None:
    """One try: to the end, or until it breaks off."""
    told = time.monotonic()
    async with source.read(into.size) as part:
        if part.start != into.size:
            into.restart()
        if part.size is not None and part.size > limit:
            raise _too_large(source.name, limit)
        async for chunk in part.chunks:
            if into.size + len(chunk) > limit:
                raise _too_large(source.name, limit)
            into.add(chunk)
            if time.monotonic() - told >= TELL_SECONDS:
                told = time.monotonic()
                log.info("fetching", file=source.name, bytes=into.size, of=part.size)
        if part.size is not None and into.size < part.size:
            raise ModelError(
                "Unreachable", f"{source.name}: ended after {into.size} of {part.size} bytes"
            )


def _too_large(name: str, limit: int) -> ModelError:
    return ModelError(
        "TooLarge", f"{name} is larger than {limit} bytes; raise sizeLimit, or check the address"
    )


def disk_error(error: OSError, name: str) -> ModelError:
    """What an error of the claim's file system means."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return ModelError("NoSpace", f"the claim is full before {name} is whole; raise sizeLimit")
    return ModelError("Refused", f"the claim cannot be written: {error.strerror}")
