"""Decisions in the log: written before an answer is final, read by id."""

import asyncio
import re
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from runtime.audit.record import Record
from runtime.audit.segments import LogDamagedError, SegmentLog
from runtime.groupcommit import GroupCommit

#: ``d-<number in the log>-<random>``: the number finds it, the rest tells logs apart.
_ID = re.compile(r"d-([0-9]{1,15})-[0-9a-f]{8}")


class DecisionLog:
    """The records of one gateway."""

    def __init__(self, folder: Path) -> None:
        self._segments = SegmentLog(folder)
        self._commit: GroupCommit[Record, Record] = GroupCommit("decision-log", self._write)

    def __len__(self) -> int:
        return len(self._segments)

    @property
    def cut_bytes(self) -> int:
        """Bytes of a torn tail that were set aside when it was opened."""
        return self._segments.cut_bytes

    @property
    def damage(self) -> list[str]:
        """What is wrong with the stored records, in words."""
        return self._segments.damage

    async def append(self, record: Record) -> Record:
        """Write a record; returns it with its id, once it is durable.

        Raises:
            OSError: the volume refused.
            BacklogFullError: the volume does not keep up.
        """
        return await self._commit.submit(record)

    async def get(self, decision: str) -> Record | None:
        """The record of that id, if this log holds it.

        Raises:
            LogDamagedError: it was changed on the disk.
        """
        match = _ID.fullmatch(decision)
        if match is None or int(match[1]) >= len(self):
            return None
        record = await asyncio.to_thread(self.read, int(match[1]))
        return record if record.id == decision else None

    async def latest(self, limit: int) -> list[Record]:
        """The last records, newest first."""
        newest = range(len(self) - 1, max(-1, len(self) - 1 - limit), -1)
        return await asyncio.to_thread(self.readable, newest)

    def read(self, number: int) -> Record:
        """The record of that number, from 0 on."""
        return Record.model_validate_json(self._segments.read(number))

    def readable(self, numbers: Iterable[int]) -> list[Record]:
        """The records of those numbers, without the damaged ones."""
        records = []
        for number in numbers:
            with suppress(LogDamagedError):
                records.append(self.read(number))
        return records

    async def close(self) -> None:
        """Write what is waiting and let go of the files."""
        await self._commit.close()
        self._segments.close()

    def _write(self, records: Sequence[Record]) -> list[Record]:
        first = len(self._segments)
        named = [
            record.model_copy(update={"id": f"d-{first + at}-{secrets.token_hex(4)}"})
            for at, record in enumerate(records)
        ]
        self._segments.append(
            [record.model_dump_json(by_alias=True, exclude_none=True).encode() for record in named]
        )
        return named


def number_of(decision: str) -> int:
    """Where in its log a decision stands."""
    match = _ID.fullmatch(decision)
    if match is None:
        raise ValueError(f"{decision!r} is not the id of a decision")
    return int(match[1])
