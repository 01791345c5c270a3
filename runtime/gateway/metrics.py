"""What Prometheus sees of a gateway."""

from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from runtime.audit import Record
from runtime.consensus import Outcome

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60)
#: Those that are held against each other.
_ARMS = ("Canary", "Baseline")


class Metrics:
    """Every series of one gateway, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.decisions = Counter(
            "fabula_gateway_decisions",
            "Decisions, by outcome.",
            ["outcome"],
            registry=self.registry,
        )
        self.decision_seconds = Histogram(
            "fabula_gateway_decision_seconds",
            "From a request's place to its durable record.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.arm_decisions = Counter(
            "fabula_gateway_arm_decisions",
            "Decisions of sessions that the rollout under way watches, by arm and outcome.",
            ["rollout", "arm", "outcome"],
            registry=self.registry,
        )
        self.arm_seconds = Histogram(
            "fabula_gateway_arm_decision_seconds",
            "The same from a request's place to its durable record, by arm.",
            ["rollout", "arm"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._rollout: str | None = None
        self.member_seconds = Histogram(
            "fabula_gateway_member_seconds",
            "Until a member's answer was whole. Answers that were cut short do not count.",
            ["member"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.member_failures = Counter(
            "fabula_gateway_member_failures",
            "Questions that a member gave no answer to, by kind of failure.",
            ["member", "kind"],
            registry=self.registry,
        )
        self.variants = Counter(
            "fabula_gateway_variants_asked",
            "Questions to members that have variants, by the variant that was asked.",
            ["member", "variant"],
            registry=self.registry,
        )
        self.second_requests = Counter(
            "fabula_gateway_second_requests",
            "Second requests for one question: the first was slow (hedged), or failed.",
            ["member", "because"],
            registry=self.registry,
        )
        self.second_answers = Counter(
            "fabula_gateway_second_answers",
            "Second requests that brought an answer.",
            ["member", "because"],
            registry=self.registry,
        )
        self.shadows = Counter(
            "fabula_gateway_shadows",
            "Questions that a new revision was to be asked in the shadow, by what became of them.",
            ["result"],
            registry=self.registry,
        )
        self.refused = Counter(
            "fabula_gateway_refused",
            "Requests answered with an error, by status.",
            ["status"],
            registry=self.registry,
        )
        self.limited = Counter(
            "fabula_gateway_limited",
            "What limits and caps held back, by the field that sets them.",
            ["limit"],
            registry=self.registry,
        )
        self.spent = Counter(
            "fabula_gateway_spent_usd",
            "US dollars that answers cost, as far as prices are known.",
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "fabula_gateway_decisions_in_flight",
            "Decisions being made.",
            registry=self.registry,
        )
        self.waiting = Gauge(
            "fabula_gateway_decisions_waiting",
            "Decisions that wait for a place.",
            registry=self.registry,
        )
        self.log_records = Gauge(
            "fabula_gateway_log_records",
            "Entries in the log: decisions, outcomes, tombstones.",
            registry=self.registry,
        )
        self.cache_lookups = Counter(
            "fabula_gateway_cache_lookups",
            "Questions that could be answered from the cache, by result.",
            ["result"],
            registry=self.registry,
        )
        self.cache_similarity = Histogram(
            "fabula_gateway_cache_similarity",
            "Of the most alike question in the cache, where similar ones may be answered from it.",
            buckets=(0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99, 1),
            registry=self.registry,
        )
        self.cache_embedding_failures = Counter(
            "fabula_gateway_cache_embedding_failures",
            "Questions that were not compared with others, for want of an embedding.",
            registry=self.registry,
        )
        self.cache_evictions = Counter(
            "fabula_gateway_cache_evictions",
            "Answers that made room for newer ones.",
            registry=self.registry,
        )
        self.cache_entries = Gauge(
            "fabula_gateway_cache_entries",
            "Answers in the cache.",
            registry=self.registry,
        )
        self.cache_bytes = Gauge(
            "fabula_gateway_cache_bytes",
            "Bytes that they take.",
            registry=self.registry,
        )

    def tries_out(self, rollout: str | None) -> None:
        """Count from 0 what is told in this rollout, and forget the last one; None: there is none.

        What begins at 0 for all to see has grown when it is seen next.
        """
        if rollout == self._rollout:
            return
        self._rollout = rollout
        self.arm_decisions.clear()
        self.arm_seconds.clear()
        for arm in _ARMS if rollout else ():
            self.arm_seconds.labels(rollout, arm)
            for outcome in get_args(Outcome):
                self.arm_decisions.labels(rollout, arm, outcome)

    def decided(self, record: Record, seconds: float, *, tried: bool) -> None:
        """Count a decision that took so long; ``tried``: a rollout watches its session."""
        outcome, trace = record.result.outcome, {"trace_id": record.trace_id}
        self.decisions.labels(outcome).inc()
        self.decision_seconds.observe(seconds, trace)
        if tried and record.rollout == self._rollout and record.arm in _ARMS:
            self.arm_decisions.labels(record.rollout, record.arm, outcome).inc()
            self.arm_seconds.labels(record.rollout, record.arm).observe(seconds, trace)
