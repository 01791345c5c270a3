"""Each lesson is learned once, whatever happens in between."""

import copy
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.audit import OutcomeEntry, Record
from runtime.audit.kinds import RetentionEntry, Stored
from runtime.audit.lessons import heard
from runtime.audit.notebook import Notebook
from runtime.consensus.evidence import DEFAULT_TASK, MAX_TASKS, OTHER_TASKS, Evidence
from runtime.gateway.interfaces.examples import OUTCOME, RECORD

MEMBERS = ("chronicler", "oracle", "jester")

Said = tuple[str, Any]
DECISIONS = st.tuples(
    st.just("decision"),
    st.tuples(
        st.booleans(),
        st.sampled_from([None, "gate", "market"]),
        st.lists(st.sampled_from([0, 1, None]), min_size=3, max_size=3),
    ),
)
OUTCOMES = st.tuples(
    st.just("outcome"),
    st.tuples(st.integers(0, 11), st.sampled_from([0, 1, None]), st.sampled_from([None, "gate"])),
)
LOGS = st.lists(st.one_of(DECISIONS, OUTCOMES), max_size=12)


def written(log: Sequence[Said]) -> list[Stored]:
    """The entries of a log; outcomes of what is no decision are there as well."""
    return [Stored(number, _entry(number, *each), None) for number, each in enumerate(log)]


def _entry(number: int, kind: str, said: Any) -> Record | OutcomeEntry:
    if kind == "decision":
        complete, task, ballots = said
        candidates = [
            {**each, "ballot": ballot}
            for each, ballot in zip(copy.deepcopy(RECORD["candidates"]), ballots, strict=True)
        ]
        return Record.model_validate(
            {
                **RECORD,
                "id": f"d-{number}-00000000",
                "complete": complete,
                "task": task,
                "candidates": candidates,
            }
        )
    of, ballot, task = said
    told = {"decision": f"d-{of}-00000000", "ballot": ballot, "task": task}
    return OutcomeEntry.model_validate({**OUTCOME, "id": f"o-{number}-00000000", **told})


def expected(entries: Sequence[Stored]) -> Evidence:
    """The same by its definition: every complete decision, and of its outcomes the last."""
    records = {e.number: e.entry for e in entries if isinstance(e.entry, Record)}
    last: dict[int, OutcomeEntry] = {}
    for stored in entries:
        if isinstance(stored.entry, OutcomeEntry) and stored.entry.ballot is not None:
            of = int(stored.entry.decision.split("-")[1])
            if of in records and of < stored.number:
                last[of] = stored.entry
    evidence = Evidence()
    for number, record in records.items():
        said = heard(record, record.task or DEFAULT_TASK)
        if said is None:
            continue
        evidence.learn(said)
        if number in last:
            task = record.task or last[number].task or DEFAULT_TASK
            judged = heard(record, task)
            assert judged is not None
            evidence.learn(judged, str(last[number].ballot))
    return evidence


def finding(entries: Sequence[Stored], upto: int) -> Any:
    def find(number: int) -> Record | None:
        entry = entries[number].entry if number < upto else None
        return entry if isinstance(entry, Record) else None

    return find


class Killed(BaseException):
    """The process ends here."""


def killing(number: int) -> Record | None:
    raise Killed


@given(LOGS, st.lists(st.integers(1, 4), max_size=12), st.lists(st.booleans(), max_size=12))
def test_in_any_batches_and_with_any_kills_each_lesson_is_learned_once(
    log: list[Said], sizes: list[int], kills: list[bool]
) -> None:
    entries = written(log)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "learned.db"
        book = Notebook(path)
        steps = iter([*zip(sizes, [*kills, *([False] * 12)], strict=False), (len(log), False)])
        for size, kill in steps:
            start, end = book.taken, min(book.taken + size, len(entries))
            batch = entries[start:end]
            if kill:
                try:
                    book.add(batch, end, killing)
                except Killed:
                    book.close()
                    book = Notebook(path)
                    assert book.taken == start
                    continue
                book.close()  # there was no outcome in it: it was written
                book = Notebook(path)
            else:
                book.add(batch, end, finding(entries, end))
        assert book.taken == len(entries)
        learned = book.evidence.dump()
        book.close()
        again = Notebook(path)
        assert again.evidence.dump() == learned == expected(entries).dump()
        again.close()


def judged(*outcomes: int | None) -> tuple[list[Stored], Notebook]:
    decision = ("decision", (True, None, [0, 1, None]))
    entries = written([decision, *(("outcome", (0, each, None)) for each in outcomes)])
    book = Notebook(None)
    book.add(entries, len(entries), finding(entries, len(entries)))
    return entries, book


def test_silence_counts_as_silence() -> None:
    _, book = judged(0)
    counts = book.evidence.of(DEFAULT_TASK, 20780)
    assert (counts["right chronicler 3"], counts["wrong oracle 3"]) == (1, 1)
    assert counts["silent jester"] == 1
    book.close()


def test_an_outcome_that_does_not_say_what_was_right_leaves_the_earlier_one() -> None:
    _, book = judged(1, None)
    assert book.evidence.of(DEFAULT_TASK, 20780)["right oracle 3"] == 1
    book.close()


def test_what_was_removed_for_its_age_is_not_remembered_by_number() -> None:
    entries, book = judged(1)
    removal = RetentionEntry(id="r-2-00000000", time="2027-01-01T00:00:00Z", before=1, days=30)
    book.add([Stored(2, removal, None)], 3, finding(entries, 3))
    assert book._db.execute("SELECT count(*) FROM lessons").fetchone() == (0,)
    assert book.evidence.tasks == [DEFAULT_TASK]
    book.close()


def test_a_log_that_lost_its_end_is_learned_anew() -> None:
    entries, book = judged(1)
    learned = book.evidence.dump()
    book.restart()
    assert (book.taken, book.evidence.tasks) == (0, [])
    book.add(entries, len(entries), finding(entries, len(entries)))
    assert book.evidence.dump() == learned
    book.close()


def test_a_counting_of_another_version_is_made_again(tmp_path: Path) -> None:
    book = Notebook(tmp_path / "learned.db")
    entries = written([("decision", (True, None, [0, 1, 1]))])
    book.add(entries, 1, finding(entries, 1))
    book._db.execute("PRAGMA user_version = 99")
    book.close()
    again = Notebook(tmp_path / "learned.db")
    assert again.taken == 0
    again.close()


@pytest.mark.parametrize("decision", ["d-0-11111111", "d-7-00000000"])
def test_an_outcome_of_what_is_not_there_teaches_nothing(decision: str) -> None:
    entries, book = judged()
    before = book.evidence.dump()
    stray = OutcomeEntry.model_validate({**OUTCOME, "decision": decision, "ballot": 0})
    book.add([Stored(1, stray, None)], 2, finding(entries, 1))
    assert book.evidence.dump() == before
    book.close()


def test_a_correction_of_a_task_too_many_is_taken_back_where_it_was_counted() -> None:
    tasks = [f"t{at:02}" for at in range(MAX_TASKS + 1)]
    log: list[Said] = [("decision", (True, task, [0, 1, None])) for task in tasks]
    log += [("outcome", (len(tasks) - 1, ballot, None)) for ballot in (0, 1)]
    entries = written(log)
    book = Notebook(None)
    book.add(entries, len(entries), finding(entries, len(entries)))
    counts = book.evidence.of(OTHER_TASKS, 20780)
    assert counts["right oracle 3"] == counts["wrong chronicler 3"] == 1
    assert "right chronicler 3" not in counts
    book.close()
