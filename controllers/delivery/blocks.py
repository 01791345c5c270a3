"""Which sessions are held against each other.

Of two equal arms: pairs, in the order of assignment. Of unequal ones: blocks, so that a canary of 5
% beside 95 % takes nineteen for each of its own, and no session is thrown away. Within a block the
order means nothing, and which sessions share one says nothing of what came of them.
"""

from collections import deque
from math import gcd
from typing import TypeVar

from controllers.delivery.plan import Sizes

T = TypeVar("T")
#: The canary's sessions and the baseline's that wait for others, oldest first.
Queues = tuple[deque[T], deque[T]]

#: Blocks' worth of sessions that an arm may wait with. Where arms fill up evenly that is never
#: reached; a session beyond is left out by its turn, which says nothing of its outcome.
WAITING = 1000


def sizes(canary: int, baseline: int) -> Sizes:
    """The smallest block that uses sessions up as weights hand them out: (1, 19) of 5 and 95."""
    common = gcd(canary, baseline)
    return canary // common, baseline // common


def join(queues: Queues[T], place: int, session: T, block: Sizes) -> None:
    """The next session of an arm gets in line."""
    if len(queues[place]) < WAITING * block[place]:
        queues[place].append(session)


def take(queues: Queues[T], block: Sizes) -> tuple[list[T], list[T]] | None:
    """A full block, taken from the queues; None while one cannot be filled."""
    (own, others), (sessions, baseline) = queues, block
    if len(own) < sessions or len(others) < baseline:
        return None
    return [own.popleft() for _ in range(sessions)], [others.popleft() for _ in range(baseline)]
