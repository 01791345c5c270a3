"""How often: the generic cell rate algorithm (ITU-T I.371; ATM Forum TM 4.0, "virtual scheduling").

Of what a subject did before, one number is kept: the theoretical arrival time, when all that it has
used will be given back. A sliding log would keep every request, and a counter of fixed windows lets
twice the rate through at each edge. Times are whole microseconds, so that Lua's doubles do the same
arithmetic as Python's integers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

MINUTE = 60_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests a minute, ``per_minute`` of them at once: in any ``t`` minutes no more than
    ``per_minute * (1 + t)``. ``name`` is the field that sets it."""

    name: str
    per_minute: int

    @property
    def interval(self) -> int:
        """Microseconds until one request is given back; rounded so that the rate is never above."""
        return -(-MINUTE // self.per_minute)

    @property
    def tolerance(self) -> int:
        """How far ahead of now the theoretical arrival time may be, in microseconds."""
        return self.per_minute * self.interval

    def shared_by(self, replicas: int) -> "Rate":
        """The part of one of several gateways that cannot ask each other."""
        return Rate(self.name, max(1, self.per_minute // max(1, replicas)))


@dataclass(frozen=True, slots=True)
class Quota:
    """What one rate says to a request. Times in microseconds from now."""

    rate: Rate
    #: Requests that would pass now, after this one.
    remaining: int
    #: Until a request passes; 0: this one does.
    wait: int
    #: Until everything is given back.
    reset: int


@dataclass(frozen=True, slots=True)
class Ruling:
    """What all rates of a request say together: it passes when each lets it, and else it is counted
    by none, so that who is refused by one limit uses up no other."""

    quotas: Sequence[Quota]

    @property
    def refused_by(self) -> Quota | None:
        """The limit that holds it back longest."""
        worst = max(self.quotas, key=lambda quota: quota.wait, default=None)
        return worst if worst is not None and worst.wait > 0 else None


def rule(rate: Rate, arrival: int, now: int) -> tuple[Quota, int]:
    """What the rate says, and the theoretical arrival time if the request passes.

    Args:
        rate: the limit.
        arrival: theoretical arrival time of the subject; anything up to ``now`` for a new one.
        now: the time, in microseconds.
    """
    before = max(arrival, now)
    after = before + rate.interval
    wait = max(0, after - rate.tolerance - now)
    if wait > 0:
        return Quota(rate, 0, wait, before - now), before
    return Quota(rate, (now + rate.tolerance - after) // rate.interval, 0, after - now), after
