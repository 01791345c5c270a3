"""What Prometheus sees of the configuration service."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class Metrics:
    """Every series of one replica, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.answers = Counter(
            "fabula_config_answers",
            "Answers with values, by interface: config, flag, flags.",
            ["interface"],
            registry=self.registry,
        )
        self.unchanged = Counter(
            "fabula_config_unchanged",
            "Answers that nothing changed, by interface: config, flags.",
            ["interface"],
            registry=self.registry,
        )
        self.refused = Counter(
            "fabula_config_refused",
            "Requests answered with an error, by status.",
            ["status"],
            registry=self.registry,
        )
        self.limited = Counter(
            "fabula_config_limited", "Requests that a rate held back.", registry=self.registry
        )
        self.waiting = Gauge(
            "fabula_config_waiting", "Requests that wait for a change.", registry=self.registry
        )
        self.tunables = Gauge(
            "fabula_config_tunables", "Tunables that are served.", registry=self.registry
        )
        self.generation = Gauge(
            "fabula_config_generation",
            "Generation of the World whose tunables are served.",
            registry=self.registry,
        )
