"""The bytes of a segment file: a magic line, then entries that carry their length and checksum.

segment := MAGIC entry*
entry   := length u32le | crc32(length, payload) u32le | payload
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap
from typing import BinaryIO

MAGIC = b"FABLOG1\n"
#: Longest payload. A length beyond it is damage, not an entry.
MAX_PAYLOAD = 4 * 1024 * 1024
_HEADER = struct.Struct("<II")
#: A segment as a whole, in memory or mapped.
Bytes = bytes | mmap


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
    """Where an entry lies, and what it holds. ``payload`` is None where it cannot be read."""

    start: int
    end: int
    payload: bytes | None


def scan(data: Bytes) -> Iterator[Span]:
    """The entries of a segment in order. One that was changed keeps its place as long as a whole
    one follows: only a tail in which nothing is whole can come from a write that was cut short.

    Raises:
        TornError: what follows the last whole entry is not one, or the magic line is missing.
    """
    offset = len(MAGIC)
    if data[: len(MAGIC)] != MAGIC and _next_whole(data, offset) is None:
        raise TornError(0)
    while offset < len(data):
        payload = entry_at(data, offset)
        if payload is not None:
            end = offset + _HEADER.size + len(payload)
            yield Span(offset, end, payload)
            offset = end
            continue
        changed = _changed(data, offset)
        yield from changed
        offset = changed[-1].end


def entry_at(data: Bytes, offset: int) -> bytes | None:
    """The payload of the entry that starts at ``offset``, if it is whole."""
    start = offset + _HEADER.size
    if start > len(data):
        return None
    length, checksum = _HEADER.unpack_from(data, offset)
    if not 0 < length <= MAX_PAYLOAD:
        return None
    payload = data[start : start + length]
    return payload if len(payload) == length and _checksum(payload) == checksum else None


def _changed(data: Bytes, offset: int) -> list[Span]:
    """The unreadable entries from ``offset`` to the next whole one: as their lengths say, or, where
    a length was changed too, one from here to there."""
    spans: list[Span] = []
    at = offset
    while (end := _claimed_end(data, at)) is not None and end < len(data):
        spans.append(Span(at, end, None))
        if entry_at(data, end) is not None:
            return spans
        at = end
    found = _next_whole(data, offset + 1)
    if found is None:
        raise TornError(offset)
    return [Span(offset, found, None)]


def _next_whole(data: Bytes, offset: int) -> int | None:
    """Where the next whole entry starts. Every length has 0 as its highest byte, so only such
    places are tried; in our records, which are JSON, there are no others."""
    at = data.find(b"\0", offset + 3)
    while at >= 0:
        if entry_at(data, at - 3) is not None:
            return at - 3
        at = data.find(b"\0", at + 1)
    return None


def _claimed_end(data: Bytes, offset: int) -> int | None:
    if offset + _HEADER.size > len(data):
        return None
    length, _ = _HEADER.unpack_from(data, offset)
    return offset + _HEADER.size + int(length) if 0 < length <= MAX_PAYLOAD else None


def _checksum(payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(len(payload).to_bytes(4, "little")))
