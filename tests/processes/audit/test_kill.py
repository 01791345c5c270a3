"""Killed at any moment, the log has lost nothing that it acknowledged, and its tree is that of its
entries. ``make soak`` kills it 200 times."""

import os
import random
from pathlib import Path

from tests.processes.audit.killing import kill_often

KILLS = int(os.environ.get("FABULA_KILLS", "6"))


def test_a_killed_writer_has_lost_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    acknowledged, entries = kill_often(tmp_path / "decisions", KILLS, random.Random())
    assert entries >= acknowledged > 0
