"""The durable record of every decision: what was asked, who said what, what came of it."""

from runtime.audit.kinds import ErasureEntry, OutcomeEntry
from runtime.audit.log import DecisionLog
from runtime.audit.record import Candidate, Decision, Place, Record, Ruling, TokenCount, Vote
from runtime.audit.replay import replay
from runtime.audit.segments import LogDamagedError

__all__ = [
    "Candidate",
    "Decision",
    "DecisionLog",
    "ErasureEntry",
    "LogDamagedError",
    "OutcomeEntry",
    "Place",
    "Record",
    "Ruling",
    "TokenCount",
    "Vote",
    "replay",
]
