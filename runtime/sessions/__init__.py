"""Sessions and their turns, kept outside of the process that tells them."""

from runtime.sessions.store import (
    Claim,
    Decided,
    Fact,
    FactsFullError,
    MetricsFullError,
    Session,
    SessionDeletedError,
    SessionStore,
    StoreUnavailableError,
    Summary,
    Turn,
    TurnLostError,
    TurnUnderWayError,
    UnknownFactError,
    UnknownSessionError,
    now,
)

__all__ = [
    "Claim",
    "Decided",
    "Fact",
    "FactsFullError",
    "MetricsFullError",
    "Session",
    "SessionDeletedError",
    "SessionStore",
    "StoreUnavailableError",
    "Summary",
    "Turn",
    "TurnLostError",
    "TurnUnderWayError",
    "UnknownFactError",
    "UnknownSessionError",
    "now",
]
