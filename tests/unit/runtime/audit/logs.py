"""A small log as a gateway leaves it, and what a forger does to it."""

import asyncio
from pathlib import Path

from runtime.audit import DecisionLog, Record
from runtime.audit.framing import MAGIC, encode, scan
from runtime.audit.segments import mapped
from runtime.gateway.interfaces.examples import RECORD

ORIGIN = "play/bard/bard-gateway-0"
EXAMPLE = Record.model_validate(RECORD)


async def fill(folder: Path, count: int, *, every: int = 4, segment_bytes: int = 8_000) -> None:
    """Write decisions one by one, with a checkpoint after each ``every`` of them and at the end."""
    log = DecisionLog(folder, segment_bytes=segment_bytes)
    for number in range(count):
        player = ("Mara", "Ilse")[number % 2]
        await log.append(EXAMPLE.model_copy(update={"player": player}))
        if number % every == every - 1:
            await log.checkpoint(ORIGIN)
    await log.checkpoint(ORIGIN)
    await log.close()


def written(folder: Path, count: int, **more: int) -> Path:
    """The same, outside of a loop."""
    asyncio.run(fill(folder, count, **more))
    return folder


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.seg"))


def payloads(path: Path) -> list[bytes]:
    """The entries of a segment."""
    with mapped(path) as data:
        return [span.payload for span in scan(data) if span.payload is not None]


def rewrite(path: Path, entries: list[bytes]) -> None:
    """Replace a segment by other entries, with checksums that fit: what a forger would do."""
    path.write_bytes(MAGIC + b"".join(encode(entry) for entry in entries))
