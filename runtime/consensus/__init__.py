"""How several answers become one: pure functions, so that any recorded decision can be counted
again. Who is asked, and when to stop waiting for an answer, is the gateway's."""

from runtime.consensus.canonical import canonical, choose
from runtime.consensus.completion import runs_to_completion
from runtime.consensus.vote import Ballot, Method, Outcome, Rules, Verdict, is_settled, settle

__all__ = [
    "Ballot",
    "Method",
    "Outcome",
    "Rules",
    "Verdict",
    "canonical",
    "choose",
    "is_settled",
    "runs_to_completion",
    "settle",
]
