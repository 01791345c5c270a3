"""The test switch FABULA_FAULT_KILL_AT: die at the N-th write, so that tests can show that the next
operator ends in the same state wherever the last one stopped."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Self

Moment = Literal["before", "after"]


@dataclass(frozen=True)
class KillAt:
    """Kill at this write, counted from 1: before it is sent, or after it is answered."""

    write: int
    moment: Moment

    @classmethod
    def parse(cls, text: str) -> Self:
        write, _, moment = text.partition(":")
        return cls(int(write), "before" if moment == "before" else "after")


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Fault:
    """Called around each write; does nothing unless the switch is set."""

    def __init__(self, at: KillAt | None, die: Callable[[], None] = _die) -> None:
        self._at = at
        self._die = die

    def strike(self, write: int, moment: Moment) -> None:
        if self._at == KillAt(write, moment):
            self._die()
