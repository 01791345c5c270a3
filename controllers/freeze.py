"""Whether a freeze window of a World is in force, and until when.

What begins by itself asks this first: a rollout, its steps and its promotion, an experiment. What
sends people back, and what a person asks for, do not.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from controllers.conditions import timestamp
from crds.freeze import Day, FreezeWindow, Weekly

DAYS: tuple[Day, ...] = (
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
)
#: As long as a weekly window may last.
LONGEST = timedelta(hours=168)
#: Windows that follow on each other without a gap are followed as far as this.
CHAIN = 64


@dataclass(frozen=True)
class Frozen:
    """A freeze that is in force."""

    name: str
    #: When nothing is frozen any more; None: when the World is corrected.
    until: datetime | None
    #: Why it cannot be known, and what to do.
    fault: str | None = None

    @property
    def words(self) -> str:
        """What people wait for."""
        if self.fault or self.until is None:
            return self.fault or f"freeze window {self.name}"
        return f"freeze window {self.name} lasts until {timestamp(self.until)}"


def frozen(windows: Iterable[FreezeWindow], now: datetime) -> Frozen | None:
    """The freeze that is in force, or None.

    A window that cannot be understood is in force: who declared it meant some hours, and nobody
    knows which. Windows that touch or overlap are one; it has the name of the first.
    """
    spans: list[tuple[datetime, datetime, str]] = []
    for window in windows:
        try:
            spans += [(*span, window.name) for span in _spans(window, now)]
        except (ZoneInfoNotFoundError, ValueError, OSError):
            wrong = window.weekly.time_zone if window.weekly else "a time of it"
            return Frozen(
                window.name,
                None,
                f"freeze window {window.name}: {wrong} is not known; correct it in "
                "spec.freezeWindows of the World",
            )
    first: str | None = None
    until = now
    for _ in range(CHAIN):
        covering = [span for span in spans if span[0] <= until < span[1]]
        if not covering:
            break
        _, until, name = max(covering, key=lambda span: span[1])
        first = first or name
    return Frozen(first, until) if first else None


def _spans(window: FreezeWindow, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """When it holds, as far as that touches the present or follows on it."""
    if once := window.once:
        yield datetime.fromisoformat(once.starts), datetime.fromisoformat(once.ends)
    if weekly := window.weekly:
        yield from _weeks(weekly, now)


def _weeks(weekly: Weekly, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    zone = ZoneInfo(weekly.time_zone)
    here = now.astimezone(zone).date()
    for days in range(-LONGEST.days - 1, 2 * LONGEST.days + 1):
        date = here + timedelta(days=days)
        if DAYS[date.weekday()] in weekly.days:
            local = datetime.combine(date, time.fromisoformat(weekly.start), zone)
            begins = local.astimezone(UTC)
            yield begins, begins + timedelta(hours=weekly.hours)
