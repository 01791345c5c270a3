"""Plans and logs of sessions for the tests."""

from collections.abc import Iterator

import numpy as np

from controllers.delivery.evidence import Arm, Assigned, Outcome
from controllers.delivery.plan import AnalysisPlan, Margin, Metric

ERRORS = Metric("errors", Margin(absolute=0.02))
LATENCY = Metric("latency", Margin(absolute=150), "Bounded", high=1000)
PLAN = AnalysisPlan((ERRORS, LATENCY), cap=2000)

Record = Assigned | Outcome
ARMS: tuple[Arm, Arm] = ("Canary", "Baseline")


def sessions(
    number: int,
    *,
    canary: float = 0.01,
    baseline: float = 0.01,
    slower: float = 0.0,
    missing: float = 0.0,
    block: tuple[int, int] = (1, 1),
    log: str = "gateway-0",
    seed: int = 1,
) -> list[Record]:
    """The log of so many blocks: each session is assigned, and ends at once.

    ``missing`` is the share of canary sessions that lose every value.
    """
    rng = np.random.default_rng(seed)

    def written() -> Iterator[Record]:
        sequence = 0
        arms: tuple[tuple[Arm, int, float, float], ...] = (
            ("Canary", block[0], canary, slower),
            ("Baseline", block[1], baseline, 0.0),
        )
        for _ in range(number):
            for arm, size, rate, shift in arms:
                for _ in range(size):
                    yield Assigned(log, sequence, arm)
                    lost = arm == "Canary" and rng.random() < missing
                    values = {
                        "errors": float(rng.random() < rate),
                        "latency": float(rng.normal(300 + shift, 100)),
                    }
                    yield Outcome(log, sequence + 1, arm, {} if lost else values)
                    sequence += 2

    return list(written())
