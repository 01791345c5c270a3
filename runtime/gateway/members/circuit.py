"""When to stop asking a member that keeps failing, and when to try it again."""

import random
from dataclasses import dataclass, field

#: Failures in a row that put a member out.
THRESHOLD = 3
COOL_DOWN_SECONDS = 5.0
MAX_COOL_DOWN_SECONDS = 60.0
#: An engine may ask to be left alone for longer, but not for ever.
MAX_LEAVE_SECONDS = 600.0


@dataclass
class Circuit:
    """Closed while the member answers. Open for a cool-down, doubled each time that a trial after
    it fails; then one request at a time is let through until one succeeds."""

    rng: random.Random = field(default_factory=random.Random)
    failures: int = 0
    trips: int = 0
    open_until: float | None = None
    trying: bool = False

    @property
    def is_failing(self) -> bool:
        """Whether it was put out and nothing has shown since that it answers."""
        return self.open_until is not None

    def is_out(self, now: float) -> bool:
        """Whether the member rests."""
        return self.open_until is not None and now < self.open_until

    def admits(self, now: float) -> bool:
        """Whether a request could enter."""
        return self.open_until is None or not (self.trying or self.is_out(now))

    def enter(self, now: float) -> bool:
        """Whether this request may ask the member. Who enters must succeed, fail or leave."""
        if not self.admits(now):
            return False
        self.trying = self.open_until is not None
        return True

    def succeed(self) -> None:
        """It answered."""
        self.failures = self.trips = 0
        self.open_until = None
        self.trying = False

    def fail(self, now: float) -> None:
        """It failed."""
        if self.is_out(now):
            return  # it was asked before it was put out: no news
        self.failures += 1
        if self.trying or self.failures >= THRESHOLD:
            rest = min(MAX_COOL_DOWN_SECONDS, COOL_DOWN_SECONDS * 2.0 ** min(self.trips, 10))
            self.open_until = now + rest * self.rng.uniform(0.8, 1.0)
            self.trips += 1
        self.trying = False

    def leave(self) -> None:
        """The request ended without showing anything about the member."""
        self.trying = False

    def leave_alone(self, now: float, seconds: float) -> None:
        """It asked not to be asked for so long (``Retry-After``), which nobody should test."""
        until = now + min(seconds, MAX_LEAVE_SECONDS)
        self.open_until = max(until, self.open_until or until)
        self.trying = False

    def trust_again(self) -> None:
        """There is news that the member is back. One more failure puts it out again."""
        if self.open_until is not None:
            self.open_until = None
            self.failures = THRESHOLD - 1
