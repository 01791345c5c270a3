"""The log of one gateway: decisions written before an answer is final, what became of them, and the
tombstones of what was destroyed."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import TypeVar

from crds.checkpoint import claimed
from runtime.audit.entry import Entry
from runtime.audit.entry import number_of as number_of
from runtime.audit.journal import Inclusion, Journal
from runtime.audit.kinds import ErasureEntry, OutcomeEntry, RetentionEntry, Stored, understood
from runtime.audit.observed import Observed
from runtime.audit.record import Record, player_subject
from runtime.audit.replay import numbered
from runtime.audit.sealing import encode
from runtime.audit.segments import SEGMENT_BYTES, LogDamagedError
from runtime.audit.subjects import SubjectKey, Subjects, lost
from runtime.consensus import canonical
from runtime.groupcommit import GroupCommit

Found = TypeVar("Found")
E = TypeVar("E", bound=Entry)

#: Subjects that are remembered to be forgotten: more than can be in a minute, which no decision
#: lasts.
_GONE = 1024

#: Decisions that stay in memory after they were written, for whoever follows the log closely.
FRESH = 512

#: An entry, and whose words are in it.
_Draft = tuple[Entry, str | None]


class DecisionLog:
    """The entries of one gateway."""

    def __init__(self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        """Open it, or start one. The folder may be copied to verify it elsewhere; what is secret
        lies beside it: the signing key and the keys of the players.

        Raises:
            OSError, sqlite3.Error: the volume refused.
        """
        key = folder.with_name("audit.key")
        #: Where the entries about rollouts stand.
        self.observed = Observed()
        self._journal = Journal(folder, key, segment_bytes=segment_bytes, heard=self._read)
        self.observed.end = len(self._journal)
        self._subjects = Subjects(folder.with_name("subjects.db"))
        #: Who was forgotten lately: when, and a key that nobody keeps, for what was begun before.
        self._gone: OrderedDict[str, tuple[str, SubjectKey]] = OrderedDict()
        self._fresh: dict[int, Stored] = {}
        self._commit: GroupCommit[_Draft, Entry] = GroupCommit("decision-log", self._write)
        for condemned, by in self._subjects.condemned():
            self._bury(condemned, by)

    def __len__(self) -> int:
        return len(self._journal)

    @property
    def first(self) -> int:
        """The number of the first entry that is kept."""
        return self._journal.first

    @property
    def cut_bytes(self) -> int:
        """Bytes of a torn tail that were set aside when it was opened."""
        return self._journal.cut_bytes

    @property
    def damage(self) -> list[str]:
        """What is wrong with the stored entries, in words."""
        return self._journal.damage

    async def append(self, record: Record) -> Record:
        """Write a decision; returns it with its id, once it is durable.

        Raises:
            OSError, sqlite3.Error: the volume refused.
            BacklogFullError: the volume does not keep up.
        """
        candidates = numbered(record.candidates)  # what is counted must survive its words
        return await self._append(
            record.model_copy(update={"candidates": candidates}), record.subject
        )

    async def post(self, outcome: OutcomeEntry) -> OutcomeEntry | None:
        """Write what became of a decision; None if this log does not hold it.

        Raises:
            OSError, sqlite3.Error: the volume refused.
            BacklogFullError: the volume does not keep up.
            LogDamagedError: the decision cannot be read.
        """
        record = await self.get(outcome.decision)
        if record is None:
            return None
        if record.erased:  # there is no key any more, and none is made for the dead
            return await self._append(outcome.model_copy(update={"answer": None}), None)
        return await self._append(_placed(outcome, record), record.subject)

    async def note(self, entry: E) -> E:
        """Write an entry that holds nobody's words; returns it with its id, once it is durable.

        Raises:
            OSError, sqlite3.Error: the volume refused.
            BacklogFullError: the volume does not keep up.
        """
        return await self._append(entry, None)

    async def beside(self, entry: E, record: Record) -> E:
        """Write an entry that holds the words of a decision's player; its time is the decision's,
        so that whoever was forgotten since stays so.

        Raises:
            OSError, sqlite3.Error: the volume refused.
            BacklogFullError: the volume does not keep up.
        """
        return await self._append(entry, record.subject)

    async def forget(self, player: str, by: str) -> ErasureEntry | None:
        """Destroy the words of a player, and record that; None if there are none.

        Raises:
            OSError, sqlite3.Error: the volume refused. Done in part, it is completed at the next
                start.
        """
        return await self._erase(player_subject(player), by)

    async def forget_session(self, session: str, by: str) -> ErasureEntry | None:
        """The same for a session in which no player was named."""
        return await self._erase(f"session:{session}", by)

    async def get(self, decision: str) -> Record | None:
        """The decision of that id, if this log holds it.

        Raises:
            LogDamagedError: it was changed on the disk.
        """
        try:
            number = number_of(decision)
        except ValueError:
            return None
        if not self.first <= number < len(self):
            return None
        entry = await asyncio.to_thread(self.entry, number)
        return entry if isinstance(entry, Record) and entry.id == decision else None

    async def latest(self, limit: int) -> list[Record]:
        """The last decisions, newest first."""
        return await asyncio.to_thread(self._latest, limit)

    def entry(self, number: int) -> Entry:
        """The entry of that number, from 0 on, of whatever kind.

        Raises:
            IndexError: there is none.
            LogDamagedError: it cannot be read.
        """
        return self.stored(number).entry

    def stored(self, number: int) -> Stored:
        """The same, with the key that its words are sealed under."""
        return understood(number, self._journal.read(number), self._subjects)

    def fresh(self, number: int) -> Stored | None:
        """The decision of that number as it was written, if that was a moment ago. It saves reading
        and unsealing what was sealed just now, and says nothing of what the disk has kept."""
        return self._fresh.get(number)

    def read(self, number: int) -> Record:
        """The decision of that number.

        Raises:
            IndexError: there is none.
            LookupError: the entry is of another kind.
            LogDamagedError: it cannot be read.
        """
        entry = self.entry(number)
        if not isinstance(entry, Record):
            raise LookupError(f"entry {number} is no decision but {entry.kind}")
        return entry

    def readable(self, numbers: Iterable[int]) -> list[Record]:
        """The decisions among those entries whose words can be read: what is damaged, erased or of
        another kind is left out."""
        return [record for record in self._decisions(numbers) if not record.erased]

    async def expire(
        self,
        days: int,
        at: datetime,
        origin: str,
        allows: Callable[[int, int], bool] = lambda removed, of: True,
    ) -> RetentionEntry | None:
        """Remove the segments in which every entry is older than so many days, on record; None if
        there are none, or if ``allows``, which is asked from another thread, says no to removing so
        many entries of all. A segment that is older than a day is closed for that.

        Raises:
            OSError: the volume refused. Nothing is removed that is not recorded and signed.
        """
        return await self._commit.run(lambda: self._expire(days, at, origin, allows))

    async def checkpoint(self, origin: str) -> str:
        """The signed checkpoint over everything that is durable.

        Raises:
            OSError: the volume refused.
        """
        return await self._commit.run(lambda: self._journal.checkpoint(origin))

    @property
    def signed(self) -> str | None:
        """The last signed checkpoint."""
        return self._journal.latest

    @property
    def unsigned(self) -> int:
        """Entries after the last checkpoint."""
        return len(self._journal) - self._journal.signed

    def key(self, origin: str) -> str:
        """The public key under that origin."""
        return self._journal.key(origin)

    async def inclusion(self, number: int, origin: str) -> Inclusion:
        """The proof that an entry is under a signed checkpoint.

        Raises:
            IndexError: there is no such entry.
            OSError: the volume refused.
        """
        return await self._commit.run(lambda: self._journal.inclusion(number, origin))

    async def consistency(self, first: int, second: int) -> list[bytes]:
        """The proof that the log of ``second`` entries begins with that of ``first``.

        Raises:
            IndexError: it does not have so many.
        """
        return await self._commit.run(lambda: self._journal.consistency(first, second))

    async def close(self) -> None:
        """Write and sign what is waiting, and let go of the files."""
        await self._commit.close()
        note = self._journal.latest
        if note is not None:
            with suppress(OSError):
                self._journal.checkpoint(claimed(note).origin)
        self._journal.close()
        self._subjects.close()

    async def _append(self, entry: E, subject: str | None) -> E:
        written = await self._commit.submit((entry, subject))
        assert isinstance(written, type(entry))  # noqa: S101  (what was sent comes back)
        return written

    async def _erase(self, subject: str, by: str) -> ErasureEntry | None:
        def erase() -> ErasureEntry | None:
            self._fresh.clear()
            key = self._subjects.condemn(subject, by)
            self._gone[subject] = now(), lost(key)
            if len(self._gone) > _GONE:
                self._gone.popitem(last=False)
            return self._bury(key, by) if key else None

        return await self._commit.run(erase)

    def _bury(self, key: str, by: str) -> ErasureEntry:
        """Record the end of a condemned key, and let it go."""
        (entry,) = self._write([(ErasureEntry(time=now(), key=key, by=by), None)])
        assert isinstance(entry, ErasureEntry)  # noqa: S101
        self._subjects.bury(key)
        return entry

    def _expire(
        self, days: int, at: datetime, origin: str, allows: Callable[[int, int], bool]
    ) -> RetentionEntry | None:
        segments = self._journal.segments()
        if self._older(range(*segments[-1]), at - timedelta(days=1)):
            self._journal.roll()
            segments = self._journal.segments()
        before = self.first
        for first, end in segments[:-1]:
            if not self._older(range(end - 1, first - 1, -1), at - timedelta(days=days)):
                break
            before = end
        if before == self.first or not allows(before - self.first, len(self) - self.first):
            return None
        removal = RetentionEntry(time=rfc3339(at), before=before, days=days)
        (entry,) = self._write([(removal, None)])
        self._journal.checkpoint(origin)
        self._journal.remove_before(before)
        assert isinstance(entry, RetentionEntry)  # noqa: S101
        return entry

    def _older(self, numbers: Iterable[int], than: datetime) -> bool:
        """Whether the first of these entries that can be read is older; True if none can be."""
        read = False
        for number in numbers:
            read = True
            with suppress(LogDamagedError):
                return datetime.fromisoformat(self.entry(number).time) < than
        return read

    def _latest(self, limit: int) -> list[Record]:
        found: list[Record] = []
        for record in self._decisions(range(len(self) - 1, self.first - 1, -1)):
            found.append(record)
            if len(found) == limit:
                break
        return found

    def _decisions(self, numbers: Iterable[int]) -> Iterable[Record]:
        for number in numbers:
            with suppress(LogDamagedError):
                entry = self.entry(number)
                if isinstance(entry, Record):
                    yield entry

    def _write(self, drafts: Sequence[_Draft]) -> list[Entry]:
        first = len(self._journal)
        named = [
            entry.model_copy(update={"id": f"{entry.prefix}-{first + at}-{token_hex(4)}"})
            for at, (entry, _) in enumerate(drafts)
        ]
        late = [self._late(entry, subject) for entry, subject in drafts]
        subjects = [
            None if gone else subject for gone, (_, subject) in zip(late, drafts, strict=True)
        ]
        keys = self._subjects.keys_for(subject for subject in subjects if subject is not None)
        self._journal.append(
            [
                encode(entry, gone if subject is None else keys[subject])
                for entry, subject, gone in zip(named, subjects, late, strict=True)
            ]
        )
        for number, (entry, subject) in enumerate(zip(named, subjects, strict=True), first):
            if isinstance(entry, Record) and subject is not None:
                self._fresh[number] = Stored(number, entry, keys[subject].id)
            self.observed.take(number, entry)
        self.observed.end = first + len(named)
        while len(self._fresh) > FRESH:
            del self._fresh[next(iter(self._fresh))]
        return named

    def _read(self, number: int, payload: bytes | None) -> None:
        if payload is not None:
            self.observed.read(number, payload)

    def _late(self, entry: Entry, subject: str | None) -> SubjectKey | None:
        """The key of a subject who was forgotten while this came about."""
        at, key = self._gone.get(subject or "", ("", None))
        return key if entry.time <= at else None


def now() -> str:
    """The time as entries have it."""
    return rfc3339(datetime.now(UTC))


def rfc3339(at: datetime) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _placed(outcome: OutcomeEntry, record: Record) -> OutcomeEntry:
    """With what its answer was in the decision, which stays known when the words are gone."""
    if outcome.answer is None:
        return outcome
    right = canonical(outcome.answer)
    ballot = next(
        (
            candidate.ballot
            for candidate in record.candidates
            if candidate.answer is not None and canonical(candidate.answer) == right
        ),
        None,
    )
    forms = [canonical(option) for option in record.options or ()]
    option = forms.index(right) if right in forms else None
    return outcome.model_copy(update={"ballot": ballot, "option": option})
