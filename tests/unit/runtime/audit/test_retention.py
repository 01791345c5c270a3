"""What is too old is removed; what it proved stays proven."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crds.checkpoint import claimed
from crds.merkle import verify_consistency, verify_inclusion
from runtime.audit import DecisionLog
from runtime.audit.kinds import RetentionEntry
from runtime.audit.log import rfc3339
from runtime.audit.search import Index, Query
from runtime.audit.verify import verify
from tests.unit.runtime.audit.logs import EXAMPLE, ORIGIN, segments

START = datetime(2026, 1, 1, tzinfo=UTC)


async def year(folder: Path, days: int = 40) -> tuple[DecisionLog, list[str]]:
    """A log with a decision every day, and their ids."""
    log = DecisionLog(folder, segment_bytes=8_000)
    ids = []
    for day in range(days):
        at = rfc3339(START + timedelta(days=day))
        ids.append((await log.append(EXAMPLE.model_copy(update={"time": at}))).id)
    return log, ids


async def test_whole_old_segments_go_on_record_and_the_proofs_stay(tmp_path: Path) -> None:
    log, ids = await year(tmp_path / "decisions")
    old = claimed(await log.checkpoint(ORIGIN))
    removal = await log.expire(10, START + timedelta(days=40), ORIGIN)
    assert removal is not None
    assert log.first == removal.before
    assert 20 <= log.first <= 30
    assert int(segments(tmp_path / "decisions")[0].stem) == log.first
    assert await log.get(ids[0]) is None
    assert (await log.latest(100))[-1].id == ids[log.first]
    new = claimed(log.signed or "")
    proof = await log.consistency(old.size, new.size)
    assert verify_consistency(old.size, new.size, proof, old.root, new.root)
    # Also of what is gone.
    for number in (0, log.first - 1, log.first, 39):
        found = await log.inclusion(number, ORIGIN)
        assert verify_inclusion(found.leaf, number, new.size, found.proof, new.root)
    assert await log.expire(10, START + timedelta(days=40), ORIGIN) is None
    await log.close()

    again = DecisionLog(tmp_path / "decisions", segment_bytes=8_000)
    assert (again.damage, again.first) == ([], removal.before)
    assert (await again.append(EXAMPLE)).id.startswith("d-41-")
    await again.checkpoint(ORIGIN)
    await again.close()
    verdict = verify(tmp_path / "decisions")
    assert (verdict.findings, verdict.removed) == ([], removal.before)


async def test_what_is_young_enough_stays(tmp_path: Path) -> None:
    log, _ = await year(tmp_path / "decisions")
    assert await log.expire(41, START + timedelta(days=40), ORIGIN) is None
    assert (log.first, len(log)) == (0, 40)
    await log.close()


async def test_a_quiet_log_expires_too(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path / "decisions")
    await log.append(EXAMPLE.model_copy(update={"time": rfc3339(START)}))
    later = START + timedelta(days=100)
    removal = await log.expire(30, later, ORIGIN)
    assert isinstance(removal, RetentionEntry)
    assert (removal.before, log.first, len(log)) == (1, 1, 2)
    await log.close()
    assert verify(tmp_path / "decisions").findings == []


async def test_entries_that_are_missing_without_a_record_are_found(tmp_path: Path) -> None:
    log, _ = await year(tmp_path / "decisions")
    await log.checkpoint(ORIGIN)
    await log.close()
    gone = segments(tmp_path / "decisions")[0]
    until = int(segments(tmp_path / "decisions")[1].stem) - 1
    gone.unlink()
    assert f"entries 0 to {until} are missing" in str(verify(tmp_path / "decisions").first)


async def test_nothing_is_removed_that_is_not_signed(tmp_path: Path) -> None:
    log, _ = await year(tmp_path / "decisions")
    with pytest.raises(ValueError, match="not all signed"):
        log._journal.remove_before(10)
    await log.close()


async def test_the_index_lets_go_of_what_is_removed(tmp_path: Path) -> None:
    log, _ = await year(tmp_path / "decisions")
    index = Index(tmp_path / "search.db")
    index.add([log.stored(number) for number in range(40)], 40)
    removal = await log.expire(10, START + timedelta(days=40), ORIGIN)
    assert removal is not None
    index.add([log.stored(40)], 41)
    assert index.find(Query(limit=100))[-1] == removal.before
    index.close()
    await log.close()


async def test_nothing_goes_that_is_not_allowed_to(tmp_path: Path) -> None:
    log, ids = await year(tmp_path / "decisions")
    asked: list[tuple[int, int]] = []

    def no(removed: int, of: int) -> bool:
        asked.append((removed, of))
        return False

    assert await log.expire(10, START + timedelta(days=40), ORIGIN, no) is None
    ((removed, of),) = asked
    assert 20 <= removed <= 30
    assert of == 40
    assert await log.get(ids[0]) is not None
    await log.close()
