"""An append-only log of byte strings in segment files, numbered from 0. It survives being killed
at any byte: what was synced is there, what was not is cut off when it is opened again."""

import mmap
import os
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from runtime.audit.framing import MAGIC, Bytes, TornError, encode, read_entry, scan

SEGMENT_BYTES = 64 * 1024 * 1024

#: Told of every stored entry when a log is opened: its number, and its bytes unless unreadable.
Seen = Callable[[int, bytes | None], None]


class LogDamagedError(Exception):
    """Stored bytes are not what was written: the disk or someone changed them."""


@dataclass
class _Segment:
    path: Path
    first: int
    #: Where each entry starts; 8 bytes an entry is all that is kept in memory.
    offsets: "array[int]" = field(default_factory=lambda: array("Q"))
    end: int = 0


class SegmentLog:
    """Entries by number. One writer; not safe between threads, save that ``read`` may run beside
    it because entries never change."""

    def __init__(
        self,
        folder: Path,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        seen: Seen = lambda number, payload: None,
    ) -> None:
        """Open the log, or start one; cut off a torn tail. Damage before that is left as it is:
        the log goes on, and only what cannot be read is lost."""
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._seen = seen
        #: Bytes that were cut off when it was opened. They are kept beside the segment.
        self.cut_bytes = 0
        #: What else is wrong with the stored segments, in words.
        self.damage: list[str] = []
        folder.mkdir(parents=True, exist_ok=True)
        self._segments: list[_Segment] = []
        paths = sorted(folder.glob("*.seg"))
        for path in paths:
            self._segments.append(self._open(path, last=path is paths[-1]))
        if not self._segments:
            self._segments.append(self._start(0))
        self._file = self._segments[-1].path.open("r+b", buffering=0)

    def __len__(self) -> int:
        return self._segments[-1].first + len(self._segments[-1].offsets)

    @property
    def first(self) -> int:
        """The number of the first entry that is kept."""
        return self._segments[0].first

    def append(self, payloads: Sequence[bytes]) -> None:
        """Write entries and sync them to the disk, all or none.

        Raises:
            OSError: the disk refused; the log is as it was.
        """
        entries = [encode(payload) for payload in payloads]
        segment = self._segments[-1]
        if segment.offsets and segment.end >= self._segment_bytes:
            segment = self._roll(len(self))
        data = b"".join(entries)
        try:
            self._file.seek(segment.end)
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) :]
            os.fdatasync(self._file.fileno())
        except OSError:
            self._file.truncate(segment.end)
            raise
        for entry in entries:
            segment.offsets.append(segment.end)
            segment.end += len(entry)

    def read(self, number: int) -> bytes:
        """One entry.

        Raises:
            IndexError: there is none of that number.
            LogDamagedError: its checksum is wrong, or it is missing.
        """
        if not 0 <= number < len(self):
            raise IndexError(number)
        segments = self._segments  # replaced, not changed, when some are removed
        at = bisect_right(segments, number, key=lambda segment: segment.first) - 1
        segment = segments[max(0, at)]
        place = number - segment.first
        if not 0 <= place < len(segment.offsets):
            raise LogDamagedError(f"{segment.path.name}: entry {number} is missing or unreadable")
        try:
            with segment.path.open("rb") as file:
                return read_entry(file, segment.offsets[place])
        except (TornError, FileNotFoundError) as error:
            raise LogDamagedError(f"{segment.path.name}: entry {number}: {error}") from error

    def roll(self) -> None:
        """Begin a new segment, unless the last one is empty."""
        if self._segments[-1].offsets:
            self._roll(len(self))

    def skip_to(self, number: int) -> None:
        """Go on with entry ``number``; those between are missing for ever."""
        if number > len(self):
            self._roll(number)

    def segments(self) -> list[tuple[Path, int, int]]:
        """Each segment: its file, the number of its first entry and of the one after its last."""
        ends = [segment.first for segment in self._segments[1:]] + [len(self)]
        return [
            (segment.path, segment.first, end)
            for segment, end in zip(self._segments, ends, strict=True)
        ]

    def remove_before(self, number: int) -> None:
        """Delete the whole segments that hold only entries below ``number``."""
        *closed, _ = self._segments
        gone = [
            segment
            for segment, after in zip(closed, self._segments[1:], strict=True)
            if after.first <= number
        ]
        self._segments = self._segments[len(gone) :]
        for segment in gone:
            segment.path.unlink(missing_ok=True)
        self._sync_folder()

    def close(self) -> None:
        """Let go of the file. Everything appended is already durable."""
        self._file.close()

    def _roll(self, first: int) -> _Segment:
        segment = self._start(first)
        self._file.close()
        self._segments.append(segment)
        self._file = segment.path.open("r+b", buffering=0)
        return segment

    def _start(self, first: int) -> _Segment:
        path = self._folder / f"{first:016d}.seg"
        with path.open("wb") as file:
            file.write(MAGIC)
            file.flush()
            os.fsync(file.fileno())
        self._sync_folder()
        return _Segment(path, first, end=len(MAGIC))

    def _open(self, path: Path, *, last: bool) -> _Segment:
        segment = _Segment(path, int(path.stem), end=len(MAGIC))
        expected = len(self) if self._segments else segment.first
        if segment.first != expected:
            self.damage.append(f"{path.name}: entries from {expected} on are missing")
        try:
            with mapped(path) as data:
                for span in scan(data):
                    number = segment.first + len(segment.offsets)
                    if span.payload is None:
                        self.damage.append(
                            f"{path.name}: entry {number} at byte {span.start} was changed"
                        )
                    self._seen(number, span.payload)
                    segment.offsets.append(span.start)
                    segment.end = span.end
        except TornError as error:
            if last:
                self._cut(path, error.offset)
            else:
                self.damage.append(f"{path.name}: {error}")
        return segment

    def _cut(self, path: Path, offset: int) -> None:
        """Remove what was being written when the process died; keep the bytes for a person."""
        with path.open("r+b") as file:
            file.seek(offset)
            tail = file.read()
            self.cut_bytes = len(tail)
            if tail:
                with path.with_suffix(f".torn-{offset}").open("wb") as kept:
                    kept.write(tail)
                    kept.flush()
                    os.fsync(kept.fileno())
            file.truncate(offset)
            if offset == 0:
                file.seek(0)
                file.write(MAGIC)
            file.flush()
            os.fsync(file.fileno())
        self._sync_folder()

    def _sync_folder(self) -> None:
        sync_folder(self._folder)


@contextmanager
def mapped(path: Path) -> Iterator[Bytes]:
    """The bytes of a file, mapped for as long as the context lasts."""
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            yield b""  # what is empty cannot be mapped
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
