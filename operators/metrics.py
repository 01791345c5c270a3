"""The operator's own numbers, in a registry of their own so that two operators can live in one
test process."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

# A series beside each counter with its time of birth doubles the page and answers nothing.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """Everything that /metrics shows. docs/reference/operator.md says what each one means."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.writes = Counter(
            "fabula_writes",
            "Writes to the API server, without those to the operator's own Lease.",
            ["verb", "kind"],
            registry=self.registry,
        )
        self.requests = Counter(
            "fabula_api_requests",
            "Requests to the API server by outcome; code 0 is no answer.",
            ["verb", "kind", "code"],
            registry=self.registry,
        )
        self.reconciles = Histogram(
            "fabula_reconcile_seconds",
            "Duration of one look at one object.",
            ["kind"],
            buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
            registry=self.registry,
        )
        self.failures = Counter(
            "fabula_reconcile_failures",
            "Looks that ended in an error and are tried again.",
            ["kind", "error"],
            registry=self.registry,
        )
        self.depth = Gauge(
            "fabula_queue_depth",
            "Objects that are due or being worked on.",
            registry=self.registry,
        )
        self.oldest = Gauge(
            "fabula_queue_oldest_seconds",
            "How long the most overdue object has waited.",
            registry=self.registry,
        )
        self.leader = Gauge(
            "fabula_leader", "1 while this operator holds the Lease.", registry=self.registry
        )
        self.transitions = Counter(
            "fabula_leader_transitions",
            "Times that this operator gained or lost the Lease.",
            ["to"],
            registry=self.registry,
        )
        self.refused = Counter(
            "fabula_writes_refused",
            "Writes that were not sent because the Lease was not held for long enough.",
            registry=self.registry,
        )
        self.watches = Gauge(
            "fabula_watches_established",
            "1 while the watches run.",
            registry=self.registry,
        )
