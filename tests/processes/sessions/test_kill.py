"""Killed at any moment, a gateway with the embedded store has lost no turn that it acknowledged,
although turns are noted a moment behind the log. ``make soak`` kills it 200 times."""

import os
import random
import subprocess
import sys
from itertools import islice
from pathlib import Path

from runtime.audit import DecisionLog
from runtime.sessions import Decided
from runtime.sessions.sqlite import SqliteSessions

KILLS = int(os.environ.get("FABULA_KILLS", "4"))


async def test_no_acknowledged_turn_is_lost_and_none_is_doubled(tmp_path: Path) -> None:
    told: list[tuple[str, str, str]] = []
    for _ in range(KILLS):
        told += told_and_killed(tmp_path, random.randrange(1, 120))
        log = DecisionLog(tmp_path / "decisions")
        store = SqliteSessions(tmp_path / "sessions.db", lambda: 3600.0)
        await store.catch_up(log)
        for session, key, decision in told:
            assert await store.begin(session, key, 6) == Decided(decision)
        for session in {session for session, _, _ in told}:
            turns = (await store.get(session)).turns
            decisions = await store.decisions(session, turns + 1)
            assert len(decisions) == len(set(decisions)) == turns
            acknowledged = [decision for of, _, decision in told if of == session]
            assert acknowledged == decisions[::-1][: len(acknowledged)], "one after the other"
        await store.close()
        await log.close()


def told_and_killed(folder: Path, turns: int) -> list[tuple[str, str, str]]:
    """Let a process tell so many turns, and kill it in the middle of the next."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.processes.sessions.telling", str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    ) as process:
        assert process.stdout is not None
        try:
            lines = list(islice(process.stdout, turns))
        finally:
            process.kill()
        lines += process.stdout  # what has been read ahead already is among it
    whole = [line for line in lines if line.endswith("\n")]
    return [tuple(line.split()) for line in whole]  # type: ignore[misc]
