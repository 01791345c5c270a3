"""What is laid down before the first session: metrics, margins and error rates.

An analysis under way keeps its plan: another plan is another analysis (`digest`).
"""

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

#: Two numbers of sessions or pairs, or of the arms: canary, then baseline.
Sizes = tuple[int, int]


class PlanError(ValueError):
    """A plan that cannot be followed; the message names the field and the remedy."""


@dataclass(frozen=True, slots=True)
class Margin:
    """How much worse than the baseline is still called no worse.

    Exactly one of the two is above 0, or neither: then the canary has to be *better*, which is what
    an objective asks.
    """

    #: In the metric's own unit: 0.02 are two points of a rate, 150 may be milliseconds.
    absolute: float = 0.0
    #: Of the baseline's mean: 0.5 lets a rate of 1 % become 1.5 %.
    relative: float = 0.0

    def __post_init__(self) -> None:
        if not (self.absolute >= 0 and 0 <= self.relative <= 10):
            raise PlanError("margin: absolute must be 0 or more, and relative from 0 to 10")
        if self.absolute and self.relative:
            raise PlanError("margin: give absolute or relative, not both")


#: Of rates near 1 %. With it, and with the default cap, 3 % of the canaries that double an error of
#: 1 % are promoted and 98 % of equal ones; with 2 points it would be two thirds of the former.
DEFAULT_MARGIN = Margin(absolute=0.01)


@dataclass(frozen=True, slots=True)
class Metric:
    """One outcome of a session."""

    name: str
    margin: Margin | None = None  # None: watched for harm, and nothing has to be proven
    kind: Literal["Binary", "Bounded"] = "Binary"
    better: Literal["Lower", "Higher"] = "Lower"
    #: What a value can be, in its unit; one beyond counts as the end. A tight range decides sooner.
    low: float = 0.0
    high: float = 1.0
    #: What sessions in the shadow are held against, one by one. None: it is one of the two arms.
    norm: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise PlanError(f"metric {self.name}: low must be below high, and both finite")
        if self.kind == "Binary" and (self.low, self.high) != (0.0, 1.0):
            raise PlanError(
                f"metric {self.name}: a binary metric is 0 or 1; leave out low and high"
            )
        if self.norm is not None and (
            self.kind == "Binary" or not self.low <= self.norm <= self.high
        ):
            raise PlanError(f"metric {self.name}: a norm is a value of a bounded metric")
        if self.margin is None:
            return
        if self.margin.relative and self.low:
            raise PlanError(
                f"metric {self.name}: a relative margin needs low 0; give an absolute one"
            )
        if not self.threshold < 1:
            raise PlanError(
                f"metric {self.name}: the margin allows everything; make it smaller than the range"
            )

    @property
    def span(self) -> float:
        """From one end of the range to the other, in the metric's unit."""
        return self.high - self.low

    def badness(self, value: float | None) -> float | None:
        """The value on a scale from 0, best, to 1, worst; None where there is none to speak of."""
        if value is None or not math.isfinite(value):
            return None
        scaled = min(1.0, max(0.0, (value - self.low) / self.span))
        if self.kind == "Binary":
            scaled = float(scaled >= 0.5)
        return scaled if self.better == "Lower" else 1.0 - scaled

    def value(self, badness: float) -> float:
        """A mean on that scale, back in the metric's unit."""
        scaled = badness if self.better == "Lower" else 1.0 - badness
        return self.low + scaled * self.span

    @property
    def factor(self) -> float:
        """What the baseline's badness is multiplied by before the canary's is held against it."""
        relative = self.margin.relative if self.margin else 0.0
        return 1 + relative if self.better == "Lower" else 1 - relative

    @property
    def threshold(self) -> float:
        """Not proven while the mean of canary - factor * baseline may be as much as this.

        A margin relative to what is *good* moves here in part: x >= (1 - r) y for goods is
        x' - (1 - r) y' <= r for the badness 1 - x and 1 - y.
        """
        if self.margin is None:
            return 0.0
        moved = self.margin.relative if self.better == "Higher" else 0.0
        return self.margin.absolute / self.span + moved


@dataclass(frozen=True, slots=True)
class AnalysisPlan:
    """Everything that decides about a canary but the sessions themselves."""

    metrics: tuple[Metric, ...]
    #: Sessions of the canary and of the baseline that are held against each other at a time.
    block: Sizes = (1, 1)
    #: Share of harmless canaries that may be rolled back, over all metrics and all looks.
    harm_alpha: float = 0.01
    #: Chance that a canary as bad as a margin is called proven on that metric.
    proof_alpha: float = 0.05
    #: Chance that a sound split is called broken.
    split_alpha: float = 0.001
    #: Blocks after which what is not proven is Inconclusive.
    cap: int = 5000

    def __post_init__(self) -> None:
        names = [metric.name for metric in self.metrics]
        if not names or len(set(names)) != len(names):
            raise PlanError("metrics: name at least one, and each once")
        for name in ("harm_alpha", "proof_alpha", "split_alpha"):
            if not 0 < getattr(self, name) < 1:
                raise PlanError(f"{name} must lie between 0 and 1; 0.01 is one in a hundred")
        if min(*self.block, self.cap) < 1 or max(self.block) > 100:
            raise PlanError("block takes from 1 to 100 sessions of each arm, and cap is at least 1")

    @property
    def digest(self) -> str:
        """SHA-256 of the plan; evidence under one plan means nothing under another."""
        said = asdict(self, dict_factory=_said)
        text = json.dumps(said, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def _said(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    """The fields, but for a norm that there is not: plans without one are as they always were."""
    return {name: value for name, value in fields if name != "norm" or value is not None}
