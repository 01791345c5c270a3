"""``python -m tests.bench.audit``: how fast the decision record is written, verified and proven,
as a table for docs/benchmarks.md. It needs no cluster, and about 2 KB of disk a record.
"""

import asyncio
import resource
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from crds.checkpoint import claimed
from crds.merkle import verify_inclusion
from runtime.audit import DecisionLog
from runtime.audit.verify import verify
from tests.unit.runtime.audit.logs import EXAMPLE, ORIGIN

#: Decisions that are made at the same time.
TOGETHER = 256
PLAYERS = 500
PROOFS = 5_000


async def append(log: DecisionLog, records: int) -> tuple[float, float]:
    """Append from many tasks at once, with a checkpoint every 10 s; returns the seconds, and those
    of them that the processor worked for it."""
    numbers = iter(range(records))

    async def game() -> None:
        for number in numbers:
            player = f"player {number % PLAYERS}"
            await log.append(EXAMPLE.model_copy(update={"player": player}))

    async def sign() -> None:
        while True:
            await asyncio.sleep(10)
            await log.checkpoint(ORIGIN)

    signing = asyncio.create_task(sign())
    began, worked = time.monotonic(), time.process_time()
    await asyncio.gather(*(game() for _ in range(TOGETHER)))
    took = time.monotonic() - began, time.process_time() - worked
    signing.cancel()
    await log.checkpoint(ORIGIN)
    return took


async def alone(log: DecisionLog, records: int) -> float:
    """Append one after the other: an fsync each."""
    began = time.monotonic()
    for _ in range(records):
        await log.append(EXAMPLE)
    return time.monotonic() - began


async def prove(log: DecisionLog) -> tuple[float, float]:
    """Seconds for so many inclusion proofs, and to verify them."""
    step = max(1, len(log) // PROOFS)
    began = time.monotonic()
    proofs = [log._journal.inclusion(number, ORIGIN) for number in range(0, step * PROOFS, step)]
    made = time.monotonic() - began
    note = claimed(proofs[0].note)
    began = time.monotonic()
    for each in proofs:
        assert verify_inclusion(each.leaf, each.index, note.size, each.proof, note.root)
    return made, time.monotonic() - began


async def measure(folder: Path, records: int) -> list[tuple[str, str]]:
    rows = []
    before = _memory()
    log = DecisionLog(folder)
    took, worked = await append(log, records)
    rows.append(
        (
            f"{records:,} records appended durably, {TOGETHER} at a time (limit 5,000/s)",
            f"{records / took:,.0f}/s",
        )
    )
    rows.append(("the same for each second of one core", f"{records / worked:,.0f}"))
    rows.append(("memory that it grew by", f"{_memory() - before:.0f} MiB"))
    rows.append(("the same one at a time", f"{1000 / await alone(log, 1000):,.0f}/s"))
    await log.checkpoint(ORIGIN)
    made, checked = await prove(log)
    rows.append(
        ("inclusion proofs made / verified", f"{PROOFS / made:,.0f} / {PROOFS / checked:,.0f}/s")
    )
    await log.close()
    size = _size(folder)
    rows.append(("disk for each record", f"{size / (records + 1000):,.0f} bytes"))
    began = time.monotonic()
    log = DecisionLog(folder)
    rows.append(
        (
            "opened again, every entry checked",
            f"{len(log) / (time.monotonic() - began):,.0f} records/s",
        )
    )
    await log.close()
    began = time.monotonic()
    verdict = verify(folder)
    took = time.monotonic() - began
    assert not verdict.findings
    assert verdict.signed == verdict.entries == records + 1000
    rows.append(("verified offline (limit 50,000/s)", f"{verdict.entries / took:,.0f} records/s"))
    return rows


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def _memory() -> float:
    """Largest resident size so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(
    records: Annotated[int, typer.Option(help="How many records.")] = 1_000_000,
    folder: Annotated[Path | None, typer.Option(help="Where. Default: a temporary folder.")] = None,
) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as place:
        rows = asyncio.run(measure(Path(place) / "decisions", records))
    print("\n| what | measured |\n|---|---|")
    for what, figure in rows:
        print(f"| {what} | {figure} |")


if __name__ == "__main__":
    typer.run(main)
