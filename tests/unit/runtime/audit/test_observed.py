"""The entries about rollouts are found among all others, by a cursor that misses none."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from runtime.audit import DecisionLog
from runtime.audit.entry import Entry
from runtime.audit.kinds import AssignedEntry, ErasureEntry, SessionOutcomeEntry
from runtime.audit.observed import Observed

TIME = "2026-11-24T10:00:00.000Z"


def assigned(session: str, rollout: str = "r1") -> AssignedEntry:
    return AssignedEntry(
        time=TIME, session=session, rollout=rollout, arm="Canary", until=TIME, settled=TIME
    )


def outcome(session: str, rollout: str = "r1") -> SessionOutcomeEntry:
    return SessionOutcomeEntry(time=TIME, session=session, rollout=rollout, arm="Canary")


def other() -> ErasureEntry:
    return ErasureEntry(time=TIME, key="k", by="game")


def taken(*entries: Entry) -> Observed:
    found = Observed()
    for number, entry in enumerate(entries):
        found.take(number, entry)
    found.end = len(entries)
    return found


def test_a_session_is_pending_until_it_has_an_outcome() -> None:
    found = taken(assigned("a"), assigned("b"), outcome("a"))
    assert [each.session for each in found.pending("r1")] == ["b"]
    found.drop("r1", "b")
    assert found.pending("r1") == []


def test_sessions_of_rollouts_long_ended_are_let_go() -> None:
    first = [f"r{number}" for number in range(16)]
    found = taken(*(assigned("a", rollout) for rollout in (*first, "r0", "r16")))
    assert not found.pending("r1")
    for rollout in ("r0", *first[2:], "r16"):  # of which the first went on all the while
        assert found.pending(rollout), rollout


def test_a_cursor_passes_what_is_not_about_the_rollout() -> None:
    found = taken(other(), assigned("a"), other(), assigned("b", "r2"), other())
    assert found.after("r1", -1, 9) == ([1], 4, False)
    assert found.after("r1", 4, 9) == ([], 4, False)
    assert found.after("nobody", -1, 9) == ([], 4, False)
    assert found.after("r1", 99, 9) == ([], 99, False)
    assert Observed().after("r1", -1, 9) == ([], -1, False)


def test_what_is_written_and_not_yet_taken_up_is_for_the_next_time() -> None:
    found = taken(assigned("a"))
    found.take(1, assigned("b"))  # its batch is not done
    assert found.after("r1", -1, 9) == ([0], 0, False)
    found.end = 2
    assert found.after("r1", 0, 9) == ([1], 1, False)


@given(st.lists(st.sampled_from([None, "r1", "r2"]), max_size=40), st.integers(1, 5))
def test_page_by_page_every_entry_is_seen_once_and_in_order(
    rollouts: list[str | None], limit: int
) -> None:
    found = taken(*(assigned("a", each) if each else other() for each in rollouts))
    seen, after, more = [], -1, True
    while more:
        numbers, after, more = found.after("r1", after, limit)
        assert len(numbers) <= limit
        seen += numbers
    assert seen == [at for at, each in enumerate(rollouts) if each == "r1"]
    assert after == len(rollouts) - 1


async def test_a_log_that_is_opened_again_knows_them_still(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path / "decisions")
    for entry in (assigned("a"), other(), assigned("b"), outcome("a")):
        await log.note(entry)
    before = log.observed.after("r1", -1, 9)
    await log.close()
    log = DecisionLog(tmp_path / "decisions")
    assert log.observed.after("r1", -1, 9) == before == ([0, 2, 3], 3, False)
    assert [each.session for each in log.observed.pending("r1")] == ["b"]
    await log.close()
