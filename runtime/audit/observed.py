"""Where in a log its entries about rollouts and experiments stand: found while the log is opened,
and kept up as it is written, so that asking for ten of them does not read a million decisions."""

from array import array
from bisect import bisect_right
from dataclasses import dataclass

import orjson
from pydantic import ValidationError

from runtime.audit.entry import Entry, head_of
from runtime.audit.kinds import AssignedEntry, SessionOutcomeEntry, WatchedArm

_KINDS = {kind.model_fields["kind"].default: kind for kind in (AssignedEntry, SessionOutcomeEntry)}
#: More than are under way at once, rollouts and experiments. What is missing of those that have
#: gone longest without a session is not to come any more.
_ROLLOUTS = 16


@dataclass(frozen=True, slots=True)
class Pending:
    """A session that was given to an arm and has no outcome yet. See AssignedEntry."""

    session: str
    rollout: str
    arm: WatchedArm
    until: str
    settled: str
    matures: str | None = None


class Observed:
    """The index of one log. One thread writes to it; others may read beside it."""

    def __init__(self) -> None:
        #: By rollout, the numbers of its entries in order; 8 bytes an entry is all that is kept.
        self._numbers: dict[str, array[int]] = {}
        #: By rollout and session; the rollout last that had a session last.
        self._pending: dict[str, dict[str, Pending]] = {}
        #: Entries before this number have been taken up.
        self.end = 0

    def read(self, number: int, payload: bytes) -> None:
        """Take up an entry as it is stored; one that cannot be understood is left out."""
        head = head_of(payload)
        if head is not None and head[0] in _KINDS:
            try:
                entry = _KINDS[head[0]].model_validate(orjson.loads(payload))
            except (ValidationError, ValueError):
                return
            self.take(number, entry)

    def take(self, number: int, entry: Entry) -> None:
        """Take up an entry."""
        if isinstance(entry, AssignedEntry):
            pending = self._pending.pop(entry.rollout, {})
            pending[entry.session] = Pending(
                entry.session, entry.rollout, entry.arm, entry.until, entry.settled, entry.matures
            )
            self._pending[entry.rollout] = pending
            if len(self._pending) > _ROLLOUTS:
                del self._pending[next(iter(self._pending))]
        elif isinstance(entry, SessionOutcomeEntry):
            self.drop(entry.rollout, entry.session)
        else:
            return
        self._numbers.setdefault(entry.rollout, array("Q")).append(number)

    def pending(self, rollout: str) -> list[Pending]:
        """The sessions of a rollout that have no outcome yet."""
        return list(self._pending.get(rollout, {}).copy().values())  # which is whole, beside writes

    def drop(self, rollout: str, session: str) -> None:
        """Expect no outcome of that session, until the log is opened again."""
        self._pending.get(rollout, {}).pop(session, None)

    def after(self, rollout: str, number: int, limit: int) -> tuple[list[int], int, bool]:
        """The numbers of the rollout's next entries after ``number``, the last entry that was
        looked at for it, and whether there are more."""
        end = self.end  # before anything else: what is written meanwhile is for the next time
        numbers = self._numbers.get(rollout, array("Q"))
        at = bisect_right(numbers, number)
        found = [each for each in numbers[at : at + limit] if each < end]
        more = at + len(found) < bisect_right(numbers, end - 1)
        return found, found[-1] if more else max(number, end - 1), more
