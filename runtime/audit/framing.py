"""The bytes of a segment file: a magic line, then entries that carry their length and checksum.

segment := MAGIC entry*
entry   := length u32le | crc32(length, payload) u32le | payload
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

MAGIC = b"FABLOG1\n"
#: Longest payload. A length beyond it is damage, not an entry.
MAX_PAYLOAD = 4 * 1024 * 1024
_HEADER = struct.Struct("<II")


class TornError(Exception):
    """The bytes at ``offset`` are not a whole entry."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"no whole entry at byte {offset}")
        self.offset = offset


def encode(payload: bytes) -> bytes:
    """One entry."""
    if not 0 < len(payload) <= MAX_PAYLOAD:
        raise ValueError(f"an entry has 1 to {MAX_PAYLOAD} bytes, this one {len(payload)}")
    return _HEADER.pack(len(payload), _checksum(payload)) + payload


def read_entry(file: BinaryIO, offset: int) -> bytes:
    """The payload of the entry that starts at ``offset``.

    Raises:
        TornError: it is cut short or its checksum is wrong.
    """
    file.seek(offset)
    header = file.read(_HEADER.size)
    if len(header) < _HEADER.size:
        raise TornError(offset)
    length, checksum = _HEADER.unpack(header)
    if not 0 < length <= MAX_PAYLOAD:
        raise TornError(offset)
    payload = file.read(length)
    if len(payload) < length or _checksum(payload) != checksum:
        raise TornError(offset)
    return payload


@dataclass(frozen=True, slots=True)
class Span:
    """Where an entry lies, and whether it can be read."""

    start: int
    end: int
    whole: bool


def scan(file: BinaryIO) -> Iterator[Span]:
    """The entries in order. One that was changed keeps its place as long as a whole one follows:
    only a tail in which nothing is whole can come from a write that was cut short.

    Raises:
        TornError: what follows the last whole entry is not one, or the magic line is missing.
    """
    file.seek(0, 2)
    size = file.tell()
    file.seek(0)
    offset = len(MAGIC)
    if file.read(len(MAGIC)) != MAGIC and _next_whole(file, offset) is None:
        raise TornError(0)
    while offset < size:
        end = _end_of_whole(file, offset)
        if end is not None:
            yield Span(offset, end, whole=True)
            offset = end
            continue
        changed = _changed(file, offset, size)
        yield from changed
        offset = changed[-1].end


def _changed(file: BinaryIO, offset: int, size: int) -> list[Span]:
    """The unreadable entries from ``offset`` to the next whole one: as their lengths say, or, where
    a length was changed too, one from here to there."""
    spans: list[Span] = []
    at = offset
    while (end := _claimed_end(file, at)) is not None and end < size:
        spans.append(Span(at, end, whole=False))
        if _end_of_whole(file, end) is not None:
            return spans
        at = end
    found = _next_whole(file, offset + 1)
    if found is None:
        raise TornError(offset)
    return [Span(offset, found, whole=False)]


def _next_whole(file: BinaryIO, offset: int) -> int | None:
    """Where the next whole entry starts. Every length has 0 as its highest byte, so only such
    places are tried; in our records, which are JSON, there are no others."""
    file.seek(offset)
    rest = file.read()
    at = rest.find(0, 3)
    while at >= 0:
        if _end_of_whole(file, offset + at - 3) is not None:
            return offset + at - 3
        at = rest.find(0, at + 1)
    return None


def _claimed_end(file: BinaryIO, offset: int) -> int | None:
    file.seek(offset)
    header = file.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    length, _ = _HEADER.unpack(header)
    return offset + _HEADER.size + int(length) if 0 < length <= MAX_PAYLOAD else None


def _end_of_whole(file: BinaryIO, offset: int) -> int | None:
    try:
        return offset + _HEADER.size + len(read_entry(file, offset))
    except TornError:
        return None


def _checksum(payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(len(payload).to_bytes(4, "little")))
