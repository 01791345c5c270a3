"""Every watched session has one outcome, the same through any kills and repeats."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crds.observations import Observation
from crds.routes import RouteTable
from runtime.audit import DecisionLog, Record
from runtime.audit.kinds import AssignedEntry, SessionOutcomeEntry
from runtime.audit.log import rfc3339
from runtime.audit.record import Watched
from runtime.gateway.upkeep.observing import Observing
from runtime.sessions import Claim, StoreUnavailableError
from runtime.sessions.sqlite import SqliteSessions
from tests.unit.runtime.sessions.records import of

BEGUN = datetime(2026, 11, 24, 10, tzinfo=UTC)
UNTIL = BEGUN + timedelta(minutes=10)
DUE = UNTIL + timedelta(seconds=7)
#: A session in which nothing went wrong.
CALM = {"member-errors": 0.0, "fallbacks": 0.0, "deadline-misses": 0.0}
ARMS: tuple[Literal["Canary", "Baseline"], ...] = ("Canary", "Baseline")


def table(salt: str = "r1") -> RouteTable:
    split = {"salt": salt, "member": "oracle", "percent": 50, "watchedSeconds": 600}
    return RouteTable.model_validate(
        {
            "ensemble": "narrators",
            "generation": 7,
            "timeoutSeconds": 5,
            "minimumVotes": 1,
            "whenNoQuorum": "Fallback",
            "routes": [],
            "split": split,
        }
    )


@dataclass
class Volume:
    """A gateway's log, sessions and observing over one folder, which may be killed."""

    folder: Path
    table: RouteTable | None = field(default_factory=table)
    log: DecisionLog = field(init=False)
    sessions: SqliteSessions = field(init=False)
    observing: Observing = field(init=False)

    async def open(self) -> None:
        self.log = DecisionLog(self.folder / "decisions")
        self.sessions = SqliteSessions(self.folder / "sessions.db", lambda: 3600.0)
        await self.sessions.catch_up(self.log)
        self.observing = Observing(self.log, self.sessions, lambda: self.table)

    async def close(self) -> None:
        await self.sessions.close()
        await self.log.close()

    async def restart(self) -> None:
        await self.close()
        await self.open()

    async def begin(self, arm: Literal["Canary", "Baseline"], due: datetime = DUE) -> str:
        session = (await self.sessions.create(None, None)).id
        await self.log.note(
            AssignedEntry(
                time=rfc3339(BEGUN),
                session=session,
                rollout="r1",
                arm=arm,
                until=rfc3339(UNTIL),
                settled=rfc3339(due),
            )
        )
        return session

    async def log_turn(self, session: str, failed: bool) -> tuple[Claim, Record]:
        """A turn as far as the log; a gateway that is killed now has it nowhere else."""
        claim = await self.sessions.begin(session, None, 60)
        assert isinstance(claim, Claim)
        draft = of(claim).model_copy(update={"watched": Watched(failed=failed)})
        return claim, await self.log.append(draft)

    async def turn(self, session: str, *, failed: bool = False) -> None:
        await self.sessions.finish(*await self.log_turn(session, failed))

    async def seen(self) -> list[Observation]:
        found = await self.observing.find("log", "r1", -1, 2000)
        assert not found.more
        return found.observations

    async def outcomes(self) -> list[Observation]:
        return [each for each in await self.seen() if each.kind == "Outcome"]


@pytest.fixture
async def volume(tmp_path: Path):  # type: ignore[no-untyped-def]
    made = Volume(tmp_path)
    await made.open()
    yield made
    await made.close()


async def test_an_outcome_is_written_once_when_it_is_due(volume: Volume) -> None:
    session = await volume.begin("Canary")
    await volume.turn(session)
    await volume.turn(session, failed=True)
    await volume.observing.look(DUE - timedelta(milliseconds=1))
    assert not await volume.outcomes()
    for _ in range(2):
        await volume.observing.look(DUE)
    await volume.restart()
    await volume.observing.look(DUE)
    (outcome,) = await volume.outcomes()
    assert (outcome.arm, outcome.values) == ("Canary", {**CALM, "member-errors": 1.0})


async def test_a_session_that_was_deleted_has_an_outcome_that_says_nothing(volume: Volume) -> None:
    session = await volume.begin("Baseline")
    await volume.turn(session)
    await volume.sessions.delete(session)
    await volume.observing.look(DUE)
    (outcome,) = await volume.outcomes()
    assert (outcome.arm, outcome.values) == ("Baseline", {})


async def test_a_session_that_asked_nothing_has_no_outcome(volume: Volume) -> None:
    await volume.begin("Canary")
    await volume.observing.look(DUE)
    assert [each.kind for each in await volume.seen()] == ["Assigned"]


async def test_of_a_rollout_that_has_ended_nothing_is_written(volume: Volume) -> None:
    session = await volume.begin("Canary")
    await volume.turn(session)
    for other in (None, table("r2"), table().model_copy(update={"split": None})):
        volume.table = other
        await volume.observing.look(DUE)
        assert not await volume.outcomes()
    volume.table = table()  # it was only not known yet
    await volume.observing.look(DUE)
    assert len(await volume.outcomes()) == 1


async def test_a_store_that_does_not_answer_puts_an_outcome_off(
    volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await volume.begin("Canary")
    await volume.turn(session)

    async def away(session: str) -> None:
        raise StoreUnavailableError("Unreachable", "gone")

    with monkeypatch.context() as patched:
        patched.setattr(volume.sessions, "tally", away)
        with pytest.raises(StoreUnavailableError):
            await volume.observing.look(DUE)
    assert not await volume.outcomes()
    await volume.observing.look(DUE)
    assert len(await volume.outcomes()) == 1


async def test_an_answer_is_no_longer_than_may_be_and_the_next_goes_on(
    volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.gateway.upkeep.observing.MAX_BYTES", 350)
    for _ in range(5):
        await volume.begin("Canary")
    seen, after, more = [], -1, True
    while more:
        page = await volume.observing.find("log", "r1", after, 2000)
        assert len(page.model_dump_json()) < 600
        seen += [each.sequence for each in page.observations]
        after, more = page.through, page.more
    assert seen == list(range(5))


async def test_a_volume_that_refuses_makes_no_outcome_twice(
    volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    for arm in ARMS:
        await volume.turn(await volume.begin(arm))
    note, refused = volume.log.note, [OSError(28, "no space")]

    async def first_refused(entry: SessionOutcomeEntry) -> SessionOutcomeEntry:
        if refused:
            raise refused.pop()
        await asyncio.sleep(0)
        return await note(entry)

    monkeypatch.setattr(volume.log, "note", first_refused)
    with pytest.raises(OSError, match="no space"):
        await volume.observing.look(DUE)
    assert len(await volume.outcomes()) == 1
    await volume.observing.look(DUE)
    assert sorted(each.arm for each in await volume.outcomes()) == ["Baseline", "Canary"]


#: A session, whether its call fails, and what happens to the gateway on the way.
Turn = tuple[int, bool, Literal["Nothing", "Killed", "Repeated", "Restarted", "Looked"]]


async def played(folder: Path, turns: Sequence[Turn]) -> list[tuple[str, str]]:
    """The outcomes, in words, of two sessions an arm."""
    async with AsyncExitStack() as stack:
        volume = Volume(folder)
        await volume.open()
        stack.push_async_callback(lambda: volume.close())
        dues = (DUE, DUE + timedelta(seconds=1))
        sessions = [await volume.begin(arm, due) for due in dues for arm in ARMS]
        for at, failed, fate in turns:
            claim, record = await volume.log_turn(sessions[at], failed)
            if fate != "Killed":
                await volume.sessions.finish(claim, record)
            if fate == "Repeated":
                await volume.sessions.finish(claim, record)
            if fate in ("Killed", "Restarted"):
                await volume.restart()
            if fate == "Looked":
                await volume.observing.look(UNTIL)
        await volume.observing.look(dues[0])
        if any(fate == "Killed" for _, _, fate in turns):
            await volume.restart()
        await volume.observing.look(dues[1])
        await volume.observing.look(dues[1])
        found = await volume.outcomes()
        assert [each.arm for each in await volume.seen()][:4] == [*ARMS, *ARMS]
        return sorted((each.arm, str(sorted(each.values.items()))) for each in found)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.booleans(),
            st.sampled_from(["Nothing", "Killed", "Repeated", "Restarted", "Looked"]),
        ),
        max_size=12,
    )
)
def test_through_kills_restarts_and_repeats_the_outcomes_are_those_of_a_clean_run(
    turns: list[Turn],
) -> None:
    clean: list[Turn] = [(at, failed, "Nothing") for at, failed, _ in turns]
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        assert asyncio.run(played(Path(one), turns)) == asyncio.run(played(Path(other), clean))
