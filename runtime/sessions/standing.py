"""Sessions as they stand, in memory: the next turn of one that was told lately begins without
reading a file, and follows upon turns that the file has not taken yet."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

from runtime.audit import Record
from runtime.sessions.chapters import from_turn, tokens_of
from runtime.sessions.store import TAIL, Fact, Session, Summary, Turn

#: What is kept of all sessions together, and of one: some 20 MiB and 1 MiB, counted in tokens, with
#: so many for each turn and key beside its words. A session with more is read from the file.
MAX_WEIGHT, MAX_WEIGHT_OF_ONE = 4_000_000, 200_000
_EACH = 100


@dataclass(frozen=True, slots=True)
class Standing:
    """One session with all that its next turn needs."""

    session: Session
    #: Turns of this chapter, oldest first, no more than ``TAIL``.
    turns: tuple[Turn, ...]
    facts: tuple[Fact, ...]
    #: Its decisions by their idempotency keys.
    keys: dict[str, str]
    #: When it was last written, in seconds since 1970.
    touched: float
    #: Tokens of its turns, at most.
    tokens: int

    @property
    def weight(self) -> int:
        """How much of the bound it takes."""
        return self.tokens + _EACH * (1 + len(self.turns) + len(self.keys))

    def after(self, record: Record, at: float) -> "Standing | None":
        """With the turn of a decision; None if that is not its next one."""
        place = record.place
        if place is None or place.turn != self.session.turns + 1:
            return None
        turn = Turn(place.turn, record.question, record.result.decision)
        all_told = (*self.turns, turn)
        turns = from_turn(place.first_turn, all_told)[-TAIL:]
        tokens = self.tokens + turn.tokens - tokens_of(all_told[: -len(turns)])
        key = record.idempotency_key
        keys = self.keys if key is None else {**self.keys, key: record.id}
        session = replace(
            self.session,
            turns=place.turn,
            chapter=place.chapter,
            first_turn=place.first_turn,
            cast=place.cast,
        )
        return Standing(session, turns, self.facts, keys, at, tokens)

    def told_in_short(self, summary: Summary) -> "Standing":
        """With a summary, if it reaches further."""
        known = self.session.summary
        if known is not None and known.through >= summary.through:
            return self
        return replace(self, session=replace(self.session, summary=summary))

    def with_fact(self, fact: Fact, at: float) -> "Standing":
        """With one more fact."""
        facts = self.facts if fact in self.facts else (*self.facts, fact)
        return replace(self, facts=facts, touched=at)

    def without_fact(self, fact: str, at: float) -> "Standing":
        """Without the fact of that id."""
        facts = tuple(each for each in self.facts if each.id != fact)
        return replace(self, facts=facts, touched=at)


class Standings:
    """The sessions that were told last."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Standing] = OrderedDict()
        self._weight = 0
        #: Counts what was changed otherwise than by telling a turn.
        self.changes = 0

    def get(self, session: str, since: float) -> Standing | None:
        """The session, if it is known and was written after ``since``."""
        found = self._known.get(session)
        if found is None or found.touched < since:
            return None
        self._known.move_to_end(session)
        return found

    def put(self, standing: Standing) -> None:
        """Keep a session as it stands now."""
        self._drop(standing.session.id)
        if standing.weight > MAX_WEIGHT_OF_ONE:
            return
        self._known[standing.session.id] = standing
        self._weight += standing.weight
        while self._weight > MAX_WEIGHT:
            self._drop(next(iter(self._known)))

    def change(self, session: str, change: Callable[[Standing], Standing | None]) -> None:
        """Take part in what was changed in the file. What is being read there now may be older."""
        self.changes += 1
        found = self._known.get(session)
        if found is not None:
            changed = change(found)
            if changed is None:
                self._drop(session)
            else:
                self.put(changed)

    def _drop(self, session: str) -> None:
        gone = self._known.pop(session, None)
        if gone is not None:
            self._weight -= gone.weight
