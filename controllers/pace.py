"""How time counts for what goes by steps: from a moment on, for some minutes, and not while it is
paused."""

from datetime import datetime, timedelta

from controllers.conditions import timestamp


def ends(began: str, minutes: int) -> datetime:
    """When what began then and lasts so long is over."""
    return datetime.fromisoformat(began) + timedelta(minutes=minutes)


def is_over(began: str, minutes: int, paused_at: str | None, now: datetime) -> bool:
    """Whether it is over now, or was when it was paused."""
    return ends(began, minutes) <= (datetime.fromisoformat(paused_at) if paused_at else now)


def begun_later(began: str, paused_at: str, now: datetime) -> str:
    """The beginning, moved by the time for which it was paused."""
    return timestamp(datetime.fromisoformat(began) + (now - datetime.fromisoformat(paused_at)))
