"""A claim that is filled: the model appears in it whole and checked, or not at all."""

import os
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from crds.models import MODEL_FOLDER, ModelReport
from runtime.models import tree
from runtime.models.archive import is_archive, unpack
from runtime.models.problems import ModelError
from runtime.models.transfer import Fetched, Source, disk_error, fetch

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Claim:
    """The folder where the claim is mounted.

    Attributes:
        folder: it.
        limit: the most bytes that a model may have.
    """

    folder: Path
    limit: int

    async def fill(self, files: Mapping[str, Source], digest: str, *, single: bool) -> ModelReport:
        """Fetch, check, and only then put in place.

        Args:
            files: what to fetch, by path below the model's folder.
            digest: what has to come of it.
            single: whether the digest is that of the only file, which may be an archive, and not
                of a list of files.

        Raises:
            ModelError: it could not be had, or is something else.
        """
        place = self.folder / MODEL_FOLDER
        if place.is_dir() and any(place.iterdir()):
            log.info("the model is here already", digest=digest)
            return ModelReport(digest=digest)
        work = self.folder / "partial"
        found, at_once = await self._fetch(files, work, single)
        if found != digest and not at_once:
            # The pieces may have been of different files.
            log.warning("not the model that was asked for; fetching all of it again", got=found)
            self._clear(work)
            found, _ = await self._fetch(files, work, single)
        if found != digest:
            self._clear(work)
            raise ModelError(
                "DigestMismatch",
                f"{_named(files)} has the digest {found}, and {digest} was asked for; correct the "
                "digest or the address, or put the file right",
            )
        self._put(work, place, single)
        log.info("fetched", digest=digest)
        return ModelReport(digest=digest)

    async def _fetch(
        self, files: Mapping[str, Source], work: Path, single: bool
    ) -> tuple[str, bool]:
        """The digest of all, and whether each came in one piece."""
        _remove_others(work, files)
        came: dict[str, Fetched] = {}
        left = self.limit
        for path, source in sorted(files.items()):
            came[path] = await fetch(source, work / path, left)
            left -= came[path].size
        digests = {path: file.digest for path, file in came.items()}
        found = f"sha256:{next(iter(digests.values()))}" if single else tree.digest(digests)
        return found, all(file.at_once for file in came.values())

    def _put(self, work: Path, place: Path, single: bool) -> None:
        whole = work
        if single and is_archive((archive := next(work.iterdir())).name):
            unpacked = self.folder / "unpacked"
            self._clear(unpacked)
            whole = unpack(archive, unpacked, self.limit)
        try:
            os.replace(whole, place)
            self._clear(work)
            self._clear(self.folder / "unpacked")
            _sync(self.folder)
        except OSError as error:
            raise disk_error(error, MODEL_FOLDER) from None

    def _clear(self, path: Path) -> None:
        if path.exists():
            shutil.rmtree(path)


def _remove_others(work: Path, files: Collection[str]) -> None:
    """Take away what an earlier try fetched under another name."""
    for path in work.rglob("*"):
        if path.is_file() and path.relative_to(work).as_posix() not in files:
            path.unlink()


def _named(files: Mapping[str, Source]) -> str:
    names = [source.name for source in files.values()]
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more files"


def _sync(folder: Path) -> None:
    """Make a rename durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
