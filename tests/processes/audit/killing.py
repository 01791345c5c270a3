"""A process that writes to a log until it is killed, and the look at what it left.

``python -m tests.processes.audit.killing FOLDER`` writes batches and says the id of each
decision once it was acknowledged.
"""

import asyncio
import os
import random
import selectors
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from crds.merkle import EMPTY_ROOT, leaf_hash, node_hash
from runtime.audit import DecisionLog
from runtime.audit.framing import scan
from runtime.audit.segments import mapped
from runtime.audit.verify import verify
from tests.unit.runtime.audit.logs import EXAMPLE, ORIGIN, segments

#: Small, so that many a kill falls into a new segment.
SEGMENT_BYTES = 40_000
_START_SECONDS = 60.0


async def write(folder: Path) -> None:
    """Write for ever: small batches, a checkpoint between some, an erasure now and then."""
    log = DecisionLog(folder, segment_bytes=SEGMENT_BYTES)
    rng = random.Random()
    print("open", flush=True)
    while True:
        player = f"player {rng.randrange(4)}"
        record = EXAMPLE.model_copy(update={"player": player})
        done = await asyncio.gather(*(log.append(record) for _ in range(rng.randint(1, 20))))
        print(*(each.id for each in done), flush=True)
        if rng.random() < 0.3:
            await log.checkpoint(ORIGIN)
        if rng.random() < 0.05:
            await log.forget(player, "test")


def write_and_kill(folder: Path, seconds: float) -> list[str]:
    """Let a process write for so long, kill it, and return what it had acknowledged."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.processes.audit.killing", str(folder)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None
    said = bytearray()
    try:
        deadline = time.monotonic() + _START_SECONDS
        with selectors.DefaultSelector() as ready:
            ready.register(process.stdout, selectors.EVENT_READ)
            while time.monotonic() < deadline:
                if ready.select(max(0.0, deadline - time.monotonic())):
                    piece = os.read(process.stdout.fileno(), 65536)
                    assert piece, "the writer ended by itself"
                    if not said:
                        deadline = time.monotonic() + seconds
                    said += piece
    finally:
        process.kill()
        said += process.stdout.read()
        process.stdout.close()
        process.wait()
    lines = said.split(b"\n")[:-1]  # what follows the last line end was not said to the end
    return [word.decode() for line in lines[1:] for word in line.split()]


async def look(folder: Path, acknowledged: Sequence[str]) -> int:
    """Open the log as the next start does, and check it; returns how many entries it has."""
    log = DecisionLog(folder, segment_bytes=SEGMENT_BYTES)
    try:
        assert log.damage == []
        stored = [log.entry(number).id for number in range(len(log))]
        assert set(acknowledged) <= set(stored)
        root = log._journal.root()
        await log.checkpoint(ORIGIN)
    finally:
        await log.close()
    assert root == rebuilt(folder)
    assert verify(folder).findings == []
    return len(stored)


def rebuilt(folder: Path) -> bytes:
    """The root over the segments, as RFC 6962 writes it, with nothing of the code under test."""
    level = []
    for path in segments(folder):
        with mapped(path) as data:
            level += [leaf_hash(span.payload) for span in scan(data) if span.payload is not None]
    if not level:
        return EMPTY_ROOT
    while len(level) > 1:
        pairs = [node_hash(*level[at : at + 2]) for at in range(0, len(level) - 1, 2)]
        level = pairs + level[len(pairs) * 2 :]
    return level[0]


def kill_often(folder: Path, times: int, rng: random.Random) -> tuple[int, int]:
    """Write and kill so many times in a row on one log; returns how many decisions were
    acknowledged, and how many entries there are."""
    acknowledged: list[str] = []
    entries = 0
    for _ in range(times):
        acknowledged += write_and_kill(folder, rng.uniform(0.0, 0.15))
        entries = asyncio.run(look(folder, acknowledged))
    return len(acknowledged), entries


if __name__ == "__main__":
    asyncio.run(write(Path(sys.argv[1])))
