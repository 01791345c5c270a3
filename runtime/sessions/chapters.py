"""When a chapter of a session ends, and what the next one begins with.

Within a chapter the prompt only grows, so that engines can reuse what they have read. When it no
longer fits, or other models take over, a new chapter begins: the facts word for word, the summary,
and the last turns. It is decided from what the claim brought along and takes effect with the turn
that begins it, so that a gateway killed in between has changed nothing, and the next one comes to
the same.
"""

from bisect import bisect_left
from collections.abc import Sequence
from hashlib import sha256
from operator import attrgetter
from typing import Literal

from crds.routes import Route
from runtime.audit import Place
from runtime.sessions.store import Claim, Summary, Turn
from runtime.sessions.tokens import at_most

_NUMBER, _TOKENS = attrgetter("number"), attrgetter("tokens")

Handover = Literal["Summarize", "Truncate"]


def cast_of(routes: Sequence[Route]) -> str | None:
    """A digest of who tells: members and their revisions, whatever their weight. None: nobody."""
    if not routes:
        return None
    told_by = sorted(f"{route.member} {route.revision} {route.model}" for route in routes)
    return sha256("\n".join(told_by).encode()).hexdigest()[:16]


def place_of(claim: Claim, cast: str | None, room: int, policy: Handover) -> Place:
    """Where the claimed turn stands.

    Args:
        claim: the turn and the session before it.
        cast: who tells it.
        room: tokens that summary and turns may have in the smallest prompt.
        policy: what a new chapter begins with.
    """
    session = claim.session
    cast = cast or session.cast
    reason: Literal["WindowFull", "ModelsChanged"] | None = None
    if claim.turns and session.cast is not None and cast != session.cast:
        reason = "ModelsChanged"
    elif len(claim.turns) > 1 and not _fits(claim, room, policy):
        reason = "WindowFull"
    if reason is None:
        return Place(
            turn=claim.number, chapter=session.chapter, first_turn=session.first_turn, cast=cast
        )
    summary = session.summary if policy == "Summarize" else None
    carried = carried_over(claim.turns, summary, room)
    return Place(
        turn=claim.number,
        chapter=session.chapter + 1,
        first_turn=carried[0].number,
        cast=cast,
        handover=reason,
    )


def carried_over(turns: tuple[Turn, ...], summary: Summary | None, room: int) -> Sequence[Turn]:
    """The turns that a new chapter begins with: those that the summary does not tell of, as far as
    they fit into half of the room; the last one always."""
    through = summary.through if summary else 0
    told = from_turn(through + 1, turns[:-1])
    kept = latest([*told, turns[-1]], room // 2)
    return kept or turns[-1:]


def latest(turns: Sequence[Turn], room: int) -> Sequence[Turn]:
    """The last of these turns that fit together, oldest first."""
    left, first = room, len(turns)
    while first > 0:
        left -= turns[first - 1].tokens
        if left < 0:
            break
        first -= 1
    return turns[first:]


def from_turn(first: int, turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """Those that have this number or a later one, of turns in order."""
    return turns[bisect_left(turns, first, key=_NUMBER) :]


def tokens_of(turns: Sequence[Turn]) -> int:
    """Tokens of all of them in a prompt, at most."""
    return sum(map(_TOKENS, turns))


def untold(turns: tuple[Turn, ...], summary: Summary | None) -> tuple[Turn, ...]:
    """The turns that the summary does not tell of."""
    return turns if summary is None else from_turn(summary.through + 1, turns)


def _fits(claim: Claim, room: int, policy: Handover) -> bool:
    whole = claim.turns[0].number <= max(1, claim.session.first_turn)
    summary = claim.session.summary if policy == "Summarize" else None
    return whole and tokens_of(claim.turns) + (at_most(summary.text) if summary else 0) <= room
