"""What is in memory of a session is what the file says, once that has what is owed to it."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.audit import Place
from runtime.sessions import Claim, Session, Summary, UnknownFactError
from runtime.sessions import statements as sql
from runtime.sessions.sqlite import SqliteSessions
from runtime.sessions.standing import MAX_WEIGHT_OF_ONE, Standing, Standings
from runtime.sessions.store import fact_of
from tests.unit.runtime.sessions.records import of

ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("tell"), st.sampled_from([None, "a", "b", "c"])),
        st.tuples(st.just("hand over"), st.integers(0, 3)),
        st.tuples(st.just("pin"), st.sampled_from(["north", "south"])),
        st.tuples(st.just("unpin"), st.sampled_from(["north", "south"])),
        st.tuples(st.just("summarise"), st.integers(1, 9)),
        st.tuples(st.just("forget memory"), st.none()),
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(ACTS)
def test_memory_and_file_agree_whatever_happened(acts: Sequence[tuple[str, object]]) -> None:
    with TemporaryDirectory() as folder:
        asyncio.run(_agree(Path(folder), acts))


async def _agree(folder: Path, acts: Sequence[tuple[str, object]]) -> None:
    store = SqliteSessions(folder / "sessions.db", lambda: 3600.0)
    session = (await store.create("Mara", None)).id
    for act, what in acts:
        match act, what:
            case ("tell", key):
                await _tell(store, session, None if key is None else str(key), None)
            case ("hand over", int(back)):
                await _tell(store, session, None, back)
            case ("pin", str(text)):
                await store.pin(session, text)
            case ("unpin", str(text)):
                with suppress(UnknownFactError):
                    await store.unpin(session, fact_of(text).id)
            case ("summarise", int(through)):
                await store.summarise(session, Summary("so far", through))
            case _:
                store._standings = Standings()
    begun = await store.begin(session, None, 6)
    assert isinstance(begun, Claim)
    known = store._standings.get(session, 0)
    await store._owed.settle()
    stored = await store.read(lambda db: sql.standing(db, session, 0))
    assert known is not None
    assert replace(known, touched=0) == replace(stored, touched=0)
    await store.close()


async def _tell(store: SqliteSessions, session: str, key: str | None, back: int | None) -> None:
    claim = await store.begin(session, key, 6)
    if not isinstance(claim, Claim):
        return
    record = of(claim) if key is None else of(claim, key=key)
    if back is not None:
        # A chapter carries over turns of the last one, never older ones.
        first = max(claim.session.first_turn, claim.number - back)
        chapter = claim.session.chapter + 1
        place = Place(turn=claim.number, chapter=chapter, first_turn=first, cast="them")
        record = record.model_copy(update={"place": place})
    else:
        place = Place(
            turn=claim.number,
            chapter=claim.session.chapter,
            first_turn=claim.session.first_turn,
            cast=claim.session.cast,
        )
        record = record.model_copy(update={"place": place})
    await store.finish(claim, record)


def standing(id: str, tokens: int) -> Standing:
    return Standing(Session(id, "", None, None), (), (), {}, 1.0, tokens)


def test_the_session_that_was_told_longest_ago_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.sessions.standing.MAX_WEIGHT", 1000)
    known = Standings()
    known.put(standing("a", 300))
    known.put(standing("b", 300))
    assert known.get("a", 0)
    known.put(standing("c", 300))
    assert known.get("a", 0)
    assert known.get("b", 0) is None
    known.put(standing("huge", MAX_WEIGHT_OF_ONE))
    assert known.get("huge", 0) is None


def test_what_has_expired_is_not_known() -> None:
    known = Standings()
    known.put(standing("a", 1))
    assert known.get("a", 0.5)
    assert known.get("a", 1.5) is None
