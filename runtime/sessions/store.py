"""What is kept of a session, and what every store of sessions promises.

One turn at a time: who wants to tell the next turn claims it, and the claim ends by itself, so that
a gateway that dies in mid-turn holds nobody up. A turn takes its number in the session or fails;
two gateways can never both tell turn 7.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Literal, Protocol

from runtime.audit import DecisionLog, Record
from runtime.prompts import harmless
from runtime.sessions.tally import Tally
from runtime.sessions.tokens import at_most

Context = str | Mapping[str, Any]
#: From the id of a new session to that which says its arms, and to what is kept of a rollout's.
Assign = Callable[[str], tuple[str, str | None]]

#: Facts of one session, the characters of one, and of all together: they stand in every prompt.
MAX_FACTS, FACT, FACTS = 32, 400, 3000
#: Turns that a claim brings along. A chapter that has more is full.
TAIL = 256
#: How long a deleted session is known to have been deleted, in seconds.
TOMBSTONE_SECONDS = 24 * 3600.0
#: How long it is known that a player has part in an experiment, in seconds: longer than any lasts
#: that nobody pauses, or a player would be counted twice.
PART_SECONDS = 310 * 24 * 3600.0
#: Sessions of one player that are found by the player.
MAX_BY_PLAYER = 100


class UnknownSessionError(Exception):
    """No session has that id, or it has expired."""


class SessionDeletedError(Exception):
    """The session was deleted."""


class UnknownFactError(Exception):
    """The session has no such fact."""


class FactsFullError(Exception):
    """The session has as many facts as it may have."""


class MetricsFullError(Exception):
    """The session has as many metrics as it may have."""


class TurnUnderWayError(Exception):
    """Another turn of the session is being told."""

    def __init__(self, session: str, retry_seconds: float) -> None:
        super().__init__(session)
        #: When the claim on it ends at the latest.
        self.retry_seconds = retry_seconds


class TurnLostError(Exception):
    """The claim had ended and another turn took this one's number: this one did not happen."""


class StoreUnavailableError(Exception):
    """The store does not answer. The message says why and never holds an address or password."""

    def __init__(self, reason: Literal["MissingSecret", "Unreachable"], message: str) -> None:
        super().__init__(message)
        self.reason: Literal["MissingSecret", "Unreachable"] = reason


@dataclass(frozen=True, slots=True)
class Summary:
    """The tale up to a turn in few words. A model wrote it, so it is as untrusted as a player."""

    text: str
    #: The last turn that it tells of.
    through: int


@dataclass(frozen=True, slots=True)
class Session:
    """One play-through."""

    id: str
    created: str
    player: str | None
    context: Context | None
    #: Number of its last turn; the first is 1.
    turns: int = 0
    #: A new chapter begins when the window is full or the models change.
    chapter: int = 1
    #: The first turn that this chapter tells word for word.
    first_turn: int = 1
    #: Digest of the members and revisions that told the last turn.
    cast: str | None = None
    summary: Summary | None = None
    #: What was drawn for it when it began, while a rollout was under way. It never changes.
    arm: str | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """What was asked and decided."""

    number: int
    question: str
    decision: str
    #: Tokens in a prompt, at most: question, decision, and what stands between them.
    tokens: int = field(init=False, compare=False, repr=False)
    #: As it is told, where that is not as it is. A turn that held itself would be garbage that only
    #: a collector finds.
    _altered: "Turn | None" = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        tokens = at_most(self.question) + at_most(self.decision) + 2
        words = harmless(self.question.strip()).strip(), harmless(self.decision.strip()).strip()
        altered = None if words == (self.question, self.decision) else Turn(self.number, *words)
        object.__setattr__(self, "tokens", tokens)
        object.__setattr__(self, "_altered", altered)

    @property
    def told(self) -> "Turn":
        """As a model may be told it: it can close no mark of ours."""
        return self._altered or self


@dataclass(frozen=True, slots=True)
class Fact:
    """What is told to every member with every question, word for word."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to tell one turn, and the session as it stands before it."""

    session: Session
    number: int
    token: str
    #: Turns of this chapter, oldest first, no more than ``TAIL``.
    turns: tuple[Turn, ...] = ()
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class Decided:
    """The turn under that idempotency key has been told."""

    decision: str
    #: Its record, where the store still has it.
    record: Record | None = None


#: Whether so many of all sessions may be forgotten at once.
Allows = Callable[[int, int], bool]


def whatever(forgotten: int, of: int) -> bool:
    """They may."""
    return True


def in_no_arm(session: str) -> tuple[str, None]:
    """Nothing is tried out."""
    return session, None


class SessionStore(Protocol):
    """A store. Every write is accepted by it before the method returns.

    Every method may raise StoreUnavailableError, or what the volume raises; those with a session
    UnknownSessionError and SessionDeletedError.
    """

    @property
    def trouble(self) -> StoreUnavailableError | None:
        """Why it cannot be used now, by its last check."""
        ...

    async def create(
        self, player: str | None, context: Context | None, assign: Assign = in_no_arm
    ) -> Session:
        """Begin a session."""
        ...

    async def get(self, session: str) -> Session:
        """The session of that id."""
        ...

    async def by_player(self, player: str, limit: int) -> list[Session]:
        """The sessions of a player, newest first."""
        ...

    async def delete(self, session: str) -> None:
        """Forget its player, context, turns, facts and summary. Again: nothing happens."""
        ...

    async def begin(self, session: str, key: str | None, lease: float) -> Claim | Decided:
        """Claim its next turn for ``lease`` seconds, unless the key has been decided.

        Raises:
            TurnUnderWayError: somebody else holds the claim.
        """
        ...

    async def confirm(self, claim: Claim, lease: float) -> None:
        """Hold the claim for ``lease`` seconds from now on.

        Raises:
            TurnLostError: it had ended and somebody else has it, or the turn was told.
        """
        ...

    async def release(self, claim: Claim) -> None:
        """Give the claim back: no turn will come of it."""
        ...

    async def finish(self, claim: Claim, record: Record) -> None:
        """Make the logged decision the claimed turn.

        Raises:
            TurnLostError: another decision is that turn.
        """
        ...

    async def decisions(self, session: str, limit: int) -> list[str]:
        """Ids of its decisions, newest first."""
        ...

    async def record(self, decision: str) -> Record | None:
        """The record of one of its decisions, where the store still has it beside the log."""
        ...

    async def summarise(self, session: str, summary: Summary) -> None:
        """Replace its summary by one that reaches further; one that does not is dropped."""
        ...

    async def facts(self, session: str) -> list[Fact]:
        """Its facts, in the order in which they were pinned."""
        ...

    async def pin(self, session: str, text: str) -> Fact:
        """Pin a fact. The same words again are the same fact.

        Raises:
            FactsFullError: there are too many, or they are too long together.
        """
        ...

    async def unpin(self, session: str, fact: str) -> None:
        """Take a fact away.

        Raises:
            UnknownFactError: there is none of that id.
        """
        ...

    async def post(self, session: str, metrics: Mapping[str, float]) -> None:
        """Keep what a game measured of it; the last value of a name counts.

        Raises:
            MetricsFullError: there are too many names; none was kept.
        """
        ...

    async def tally(self, session: str) -> Tally:
        """The marks of its turns, and what was measured of it."""
        ...

    async def enrol(self, player: str, rollout: str, session: str) -> bool:
        """Say that with this session a player has part in an experiment. False: the player has it
        since another one."""
        ...

    async def forget_parts(self, player: str) -> None:
        """Forget which experiments a player has part in."""
        ...

    async def sweep(self, allows: Allows = whatever) -> int:
        """Forget what has expired, if ``allows`` says so of that many of all; returns how many
        sessions."""
        ...

    async def catch_up(self, log: DecisionLog) -> int:
        """Note what a log has and the store may not have; returns how many decisions were looked
        at."""
        ...

    async def close(self) -> None:
        """Write what is waiting and let go."""
        ...


def begun(player: str | None, context: Context | None, assign: Assign) -> Session:
    """A session that begins now."""
    made, arm = assign(f"s-{secrets.token_hex(12)}")
    return Session(made, now(), player, context, arm=arm)


def fact_of(text: str) -> Fact:
    """A fact, named by its words."""
    return Fact(f"f-{sha256(text.encode()).hexdigest()[:16]}", text)


def digest(player: str) -> str:
    """What is known of a player outlives the sessions under this, not under the name."""
    return sha256(player.encode()).hexdigest()[:32]


def now() -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
