"""How the replicas of a member are divided between its revisions while one takes another's place.

Of one member there are never more pods than its replicas and the surge, those that are leaving
included, and never fewer ready ones by our doing than all pods but one: what is not spare is not
taken down, and what is not free is not put up. Each look goes as far as what it sees allows, so
whatever dies in between, and wherever the operator is killed, the next look goes on from there.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Fleet:
    """The pods of one revision."""

    #: Its Deployment asks for these; 0 where there is none.
    asked: int = 0
    ready: int = 0
    #: These exist, leaving ones included.
    pods: int = 0
    #: It shall have these.
    wanted: int = 0


def tried(replicas: int, percent: int) -> int:
    """Of a member's replicas those that a new revision needs for a share of sessions."""
    return max(min(replicas, 1), math.ceil(replicas * percent / 100))


def handed(replicas: int, surge: int) -> int:
    """How many a revision needs before everyone is moved to it at once: the larger half of all
    pods, so that neither it after that moment nor the other before it has fewer than half."""
    return math.ceil((replicas + surge) / 2)


def spare(replicas: int, surge: int) -> int:
    """How many are kept of a revision that nobody is told by."""
    return min(replicas, surge)


def divide(
    fleets: Mapping[str, Fleet], most: int, least: int, unasked: Collection[str]
) -> dict[str, int]:
    """How many replicas each revision is to have now, on the way to what it shall have.

    Args:
        fleets: by revision, those that players are told by first.
        most: pods that there may be.
        least: ready pods of all revisions together, below which none is taken down. It does not
            hold while nothing that gateways ask is ready.
        unasked: revisions that no gateway asks any more. All others keep a replica.
    """
    counts = {rev: fleet.asked for rev, fleet in fleets.items()}
    room = most - sum(max(fleet.asked, fleet.pods) for fleet in fleets.values())
    ready = sum(min(fleet.ready, fleet.asked) for fleet in fleets.values())
    if not any(fleet.ready for rev, fleet in fleets.items() if rev not in unasked):
        least = 0  # what nobody asks is in the way of what they do
    for rev, fleet in fleets.items():
        excess = fleet.asked - max(fleet.wanted, 0 if rev in unasked else 1)
        # A Deployment takes those down first that are not ready.
        silent = max(0, fleet.asked - fleet.ready)
        gone = min(excess, silent + max(0, ready - least))
        if gone > 0:
            ready -= max(0, gone - silent)
            counts[rev] -= gone
    for rev, fleet in fleets.items():
        more = min(fleet.wanted - fleet.asked, room)
        if more > 0:
            room -= more
            counts[rev] += more
    return counts
