"""A log of decisions, outcomes and tombstones; and words that can be destroyed."""

import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.audit import (
    Candidate,
    DecisionLog,
    LogDamagedError,
    OutcomeEntry,
    Record,
    Ruling,
    replay,
)
from runtime.audit.entry import number_of
from runtime.audit.kinds import ErasureEntry
from runtime.audit.record import Counting
from runtime.audit.replay import count, differences, explained, rules_of
from runtime.audit.verify import verify
from tests.unit.runtime.audit.logs import EXAMPLE, ORIGIN, payloads, rewrite, segments

PRIVATE = ("Mara", "Ash falls", "He asks for a song", "dusk", "turn-17", "/readyz", "b0a4" * 16)


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[DecisionLog]:
    log = DecisionLog(tmp_path / "decisions")
    yield log
    await log.close()


def outcome(decision: str, **more: Any) -> OutcomeEntry:
    return OutcomeEntry(time="2026-11-23T05:09:02.117Z", decision=decision, source="rule", **more)


async def test_what_is_written_is_read_again(log: DecisionLog) -> None:
    record = await log.append(EXAMPLE)
    assert record.id.startswith("d-0-")
    assert await log.get(record.id) == record == log.read(0) == EXAMPLE.model_copy(
        update={"id": record.id}
    )  # fmt: skip


async def test_what_was_just_written_reads_as_from_the_disk_until_its_player_is_forgotten(
    log: DecisionLog,
) -> None:
    number = number_of((await log.append(EXAMPLE)).id)
    assert log.fresh(number) == log.stored(number)
    assert EXAMPLE.player is not None
    await log.forget(EXAMPLE.player, "op")
    assert log.fresh(number) is None


async def test_only_so_much_stays_in_memory(
    log: DecisionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.audit.log.FRESH", 2)
    for _ in range(5):
        await log.append(EXAMPLE)
    assert [log.fresh(number) is not None for number in range(5)] == [False] * 3 + [True] * 2


async def test_decisions_are_found_among_entries_of_other_kinds(log: DecisionLog) -> None:
    first = await log.append(EXAMPLE)
    posted = await log.post(outcome(first.id, answer="he asks for a SONG!", score="1"))
    second = await log.append(EXAMPLE)
    assert posted is not None
    assert (posted.id[:4], posted.ballot) == ("o-1-", 0)
    assert (second.id[:4], len(log)) == ("d-2-", 3)
    assert await log.latest(5) == [second, first]
    assert await log.latest(1) == [second]
    assert log.readable(range(len(log))) == [first, second]
    assert log.entry(1) == posted
    assert await log.get(posted.id) is None
    with pytest.raises(LookupError):
        log.read(1)


async def test_an_outcome_of_an_unknown_decision_is_not_written(log: DecisionLog) -> None:
    assert await log.post(outcome("d-0-00000000", score="0")) is None
    assert len(log) == 0


async def test_no_word_of_a_player_lies_in_the_log_in_the_clear(
    log: DecisionLog, tmp_path: Path
) -> None:
    record = await log.append(EXAMPLE)
    await log.post(outcome(record.id, answer="He asks for a song"))
    stored = b"".join(path.read_bytes() for path in (tmp_path / "decisions").iterdir())
    assert [word for word in PRIVATE if word.encode() in stored] == []


async def test_forgetting_a_player_destroys_their_words_and_leaves_the_vote(
    log: DecisionLog, tmp_path: Path
) -> None:
    hers = await log.append(EXAMPLE)
    await log.post(outcome(hers.id, answer="He asks for a song"))
    others = await log.append(EXAMPLE.model_copy(update={"player": "Ilse"}))
    await log.checkpoint(ORIGIN)
    tombstone = await log.forget("Mara", "support")
    assert tombstone is not None
    erased = log.read(0)
    assert erased.erased
    assert [word for word in PRIVATE if word in json.dumps(erased.dump())] == []
    assert erased.question == erased.player == erased.result.decision == "erased"
    assert erased.options == ["erased"] * 3
    assert erased.candidates[2].error == "NotReady: erased"
    assert (replay(erased), differences(erased)) == (erased.result, [])
    assert [each.ballot for each in erased.candidates] == [0, 0, None]
    assert log.readable(range(len(log))) == [others]
    assert log.entry(1).dump()["answer"] == "erased"
    assert log.entry(3) == tombstone
    assert b"Mara" not in (tmp_path / "subjects.db").read_bytes()
    assert await log.forget("Mara", "support") is None
    await log.checkpoint(ORIGIN)
    assert verify(tmp_path / "decisions").findings == []


async def test_who_comes_back_after_being_forgotten_has_a_new_key(log: DecisionLog) -> None:
    first = await log.append(EXAMPLE)
    await log.forget("Mara", "support")
    second = await log.append(EXAMPLE.model_copy(update={"time": "2999-11-23T05:01:44.310Z"}))
    assert log.read(2) == second
    assert log.read(0).erased
    # What is posted to a decision without words brings none back.
    posted = await log.post(outcome(first.id, answer="He rings the bell", score="0"))
    assert posted is not None
    assert (posted.answer, posted.score) == (None, "0")


async def test_what_was_being_decided_while_its_player_was_forgotten_has_no_words(
    log: DecisionLog, tmp_path: Path
) -> None:
    await log.append(EXAMPLE)
    tombstone = await log.forget("Mara", "support")
    assert await log.forget("Ilse", "support") is None
    await log.append(EXAMPLE)  # it began before
    await log.append(EXAMPLE.model_copy(update={"player": "Ilse"}))
    assert tombstone is not None
    assert log.stored(2).key == tombstone.key
    assert all(log.read(number).erased for number in (0, 2, 3))
    assert await log.forget("Mara", "support") is None, "no new key was made"
    await log.checkpoint(ORIGIN)
    assert verify(tmp_path / "decisions").findings == []


async def test_without_a_player_the_session_is_the_subject(log: DecisionLog) -> None:
    record = await log.append(EXAMPLE.model_copy(update={"player": None}))
    assert await log.forget("Mara", "support") is None
    assert record.session is not None
    assert await log.forget_session(record.session, "support") is not None
    assert log.read(0).erased


async def test_an_erasure_that_was_cut_short_is_completed_at_the_next_start(
    tmp_path: Path,
) -> None:
    log = DecisionLog(tmp_path / "decisions")
    await log.append(EXAMPLE)
    log._subjects.condemn("player:Mara", "support")  # killed before the tombstone
    await log.close()
    log = DecisionLog(tmp_path / "decisions")
    tombstone = log.entry(1)
    assert isinstance(tombstone, ErasureEntry)
    assert tombstone.by == "support"
    assert log.read(0).erased
    await log.close()
    with sqlite3.connect(tmp_path / "subjects.db") as db:
        assert db.execute("SELECT count(*) FROM keys").fetchone() == (0,)
    db.close()


async def test_words_that_were_moved_to_another_place_are_not_read(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path / "decisions")
    await log.append(EXAMPLE)
    await log.append(EXAMPLE)
    await log.close()
    (path,) = segments(tmp_path / "decisions")
    documents = [json.loads(payload) for payload in payloads(path)]
    documents[0]["sealed"], documents[1]["sealed"] = documents[1]["sealed"], documents[0]["sealed"]
    rewrite(path, [json.dumps(each, separators=(",", ":")).encode() for each in documents])
    log = DecisionLog(tmp_path / "decisions")
    with pytest.raises(LogDamagedError, match="sealed words"):
        log.read(0)
    assert log.readable(range(2)) == []
    await log.close()


async def test_an_entry_of_a_later_version_is_skipped_and_not_lost(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path / "decisions")
    await log.append(EXAMPLE)
    log._journal.append([b'{"kind":"Prophecy","id":"p-1-00000000"}'])
    after = await log.append(EXAMPLE)
    assert [record.id for record in log.readable(range(3))] == [log.read(0).id, after.id]
    with pytest.raises(LogDamagedError, match="not one that this version understands"):
        log.entry(1)
    await log.close()
    assert verify(tmp_path / "decisions").findings == []


async def test_the_keys_are_for_the_owner_alone(log: DecisionLog, tmp_path: Path) -> None:
    await log.append(EXAMPLE)
    assert (tmp_path / "subjects.db").stat().st_mode & 0o777 == 0o600


ANSWERS = st.sampled_from([None, "yes", "YES!", "no", "perhaps", " no "])
COUNTINGS = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["WeightedVote", "LogOdds", "Judge", "Fuse", "First"]),
        "minimum_votes": st.integers(1, 3),
        "when_no_quorum": st.sampled_from(["BestMember", "Fallback"]),
        "minimum_confidence_percent": st.sampled_from([0, 60]),
        "prose": st.sampled_from(["Heaviest", "Cluster"]),
    }
).map(Counting.model_validate)


@st.composite
def polls(draw: st.DrawFn) -> list[Candidate]:
    """Answers of members, some of which were found to mean the same."""
    answers = draw(st.lists(ANSWERS, min_size=1, max_size=6))
    compared = draw(st.booleans())
    return [
        Candidate(
            member=f"m{at}",
            revision="r",
            engine="llamacpp",
            model="m",
            weight=draw(st.integers(0, 5)),
            state="Failed" if answer is None else "Answered",
            answer=answer,
            arrived=None if answer is None else at + 1,
            follows=f"m{draw(st.integers(0, at))}" if compared and answer else None,
        )
        for at, answer in enumerate(answers)
    ]


@given(
    candidates=polls(),
    counting=COUNTINGS,
    options=st.sampled_from([None, ["Yes", "No", "Perhaps"]]),
    rules_with=st.sampled_from([None, "Judge", "Fuse"]),
)
def test_a_vote_is_counted_as_well_without_its_words(
    candidates: list[Candidate],
    counting: Counting,
    options: list[str] | None,
    rules_with: Literal["Judge", "Fuse"] | None,
) -> None:
    ruling = None
    answered = [each.member for each in candidates if each.answer is not None]
    if rules_with and answered:
        ruling = Ruling(
            kind=rules_with,
            judge="m0",
            shown=answered,
            state="Answered",
            pick=answered[-1] if rules_with == "Judge" else None,
            text="All of it." if rules_with == "Fuse" else None,
        )
    result = count(candidates, counting, options, "line", ruling)
    told = explained(candidates, result, rules_of(counting, options))
    assert count(told, counting, options, "line", ruling) == result
    blind = [
        each.model_copy(update={"answer": None if each.answer is None else "erased"})
        for each in told
    ]
    blank = ruling and ruling.model_copy(update={"text": ruling.text and "erased"})
    again = count(blind, counting, ["erased"] * 3 if options else None, "line", blank)
    fields = {"outcome", "confidence", "agreement", "ballot"}
    assert again.model_dump(include=fields) == result.model_dump(include=fields)
    if result.ballot is not None:
        assert {each.ballot for each in told if each.lost is None} == {result.ballot}


def test_a_changed_record_is_counted_differently() -> None:
    candidates = [
        each.model_copy(update={"ballot": 1}) if at == 0 else each
        for at, each in enumerate(EXAMPLE.candidates)
    ]
    changed = Record.model_validate(
        {**EXAMPLE.model_dump(), "candidates": [each.model_dump() for each in candidates]}
    )
    assert [each.field for each in differences(changed)] == [
        "agreement",
        "ballot",
        "confidence",
    ]
