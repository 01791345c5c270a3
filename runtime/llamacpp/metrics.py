"""The wrapper's own metrics; the same in paced mode, where llama.cpp has none."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from runtime.llamacpp.gate import Gate


class Metrics:
    """Counters of one engine process."""

    def __init__(self, gate: Gate) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter(
            "fabula_engine_requests",
            "Chat requests by how they ended",
            ["outcome"],
            registry=registry,
        )
        self.tokens = Counter(
            "fabula_engine_tokens", "Tokens generated for chat requests", registry=registry
        )
        self.faults = Counter(
            "fabula_engine_faults", "Faults injected on purpose", ["kind"], registry=registry
        )
        self.warm = Gauge(
            "fabula_engine_warm", "1 after the first token was generated", registry=registry
        )
        for name, text, read in (
            ("in_flight", "Chat requests that are running or waiting", lambda: gate.in_flight),
            (
                "oldest_in_flight_seconds",
                "Age of the oldest chat request without a complete answer",
                lambda: gate.oldest_seconds,
            ),
            ("draining", "1 after SIGTERM", lambda: float(gate.draining)),
        ):
            Gauge(f"fabula_engine_{name}", text, registry=registry).set_function(read)

    def render(self) -> str:
        return generate_latest(self._registry).decode()
