"""The bytes of a segment file: a magic line, then entries that carry their length and checksum.

segment := MAGIC entry*
entry   := length u32le | crc32(length, payload) u32le | payload
"""

import struct
import zlib
from collections.abc import Iterator
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


def scan(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Offsets of the entries, as (start, end), in order.

    Raises:
        TornError: what follows the last whole entry is not one, or the magic line is missing.
    """
    file.seek(0, 2)
    size = file.tell()
    file.seek(0)
    if file.read(len(MAGIC)) != MAGIC:
        raise TornError(0)
    offset = len(MAGIC)
    while offset < size:
        end = offset + _HEADER.size + len(read_entry(file, offset))
        yield offset, end
        offset = end


def _checksum(payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(len(payload).to_bytes(4, "little")))
