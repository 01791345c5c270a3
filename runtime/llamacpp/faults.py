"""Which request goes wrong, and how: decided by seed and arrival number, so that a run repeats."""

import random
from dataclasses import dataclass
from enum import StrEnum

from runtime.llamacpp.options import Faults


class Fault(StrEnum):
    NONE = "none"
    EMPTY = "empty"
    GARBAGE = "garbage"
    HANG = "hang"


@dataclass
class FaultPlan:
    """Hands out one fault a chat request, in order of arrival."""

    faults: Faults
    arrived: int = 0

    def next(self) -> Fault:
        number = self.arrived
        self.arrived += 1
        if self.faults.hang_after is not None and number >= self.faults.hang_after:
            return Fault.HANG
        if number < self.faults.after:
            return Fault.NONE
        draw = random.Random(f"{self.faults.seed}/{number}").random()  # noqa: S311 - repeatable
        if draw < self.faults.empty_rate:
            return Fault.EMPTY
        if draw < self.faults.empty_rate + self.faults.garbage_rate:
            return Fault.GARBAGE
        return Fault.NONE


def noise(seed: int, number: int, pieces: int = 24) -> list[str]:
    """Text that no reader and no parser takes for an answer."""
    generator = random.Random(f"{seed}/{number}/noise")  # noqa: S311 - repeatable
    return [
        "".join(generator.choices("#@~^|\\<>%&§¤ÿ\u0394\u0416", k=generator.randint(2, 7)))
        for _ in range(pieces)
    ]
