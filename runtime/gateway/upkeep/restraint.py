"""Whether the wall clock may be believed when it says what is too old.

What has expired is destroyed for good, and a clock that is set wrong makes everything look old. So
a removal waits where the clock jumped, or where most of what there is would go at once, as after a
start under a wrong clock. If it is right after all, the removal comes a day late.
"""

import threading
import time
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)

#: A removal that is in doubt waits so long, in seconds of a clock that nobody can set.
HOLD_SECONDS = 24 * 3600.0
#: Seconds by which the wall clock may move against that one.
JUMP_SECONDS = 600.0
#: More than this part of everything is in doubt.
SHARE = 0.5


class Restraint:
    """Asked before each removal. Safe between threads.

    Args:
        what: what is removed, for the log.
        wall: the clock that says what is too old, in seconds.
        steady: one that nobody can set.
    """

    def __init__(
        self,
        what: str,
        *,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what = what
        self._wall = wall
        self._steady = steady
        self._lock = threading.Lock()
        self._apart = wall() - steady()
        #: What is in doubt, by why, and since when.
        self._since: dict[str, float] = {}

    def allows(self, removing: int, of: int) -> bool:
        """Whether so many of all may be removed now. The log says why not."""
        with self._lock:
            now, jump = self._steady(), self._wall() - self._steady() - self._apart
            jumped = self._waits("the clock jumped", abs(jump) > JUMP_SECONDS, now)
            if not jumped and abs(jump) > JUMP_SECONDS:
                self._apart += jump  # it has been so for long enough to be the time
            many = self._waits("most of all would go", removing > of * SHARE, now)
        return not (removing and (jumped or many))

    def _waits(self, why: str, holds: bool, now: float) -> bool:
        if not holds:
            self._since.pop(why, None)
            return False
        if why not in self._since:
            self._since[why] = now
            log.warning("removal_waits", what=self._what, why=why, hours=round(HOLD_SECONDS / 3600))
        return now - self._since[why] < HOLD_SECONDS
