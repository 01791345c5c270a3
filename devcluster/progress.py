"""How the person who waits is told what happens, step by step, with the time each step took."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Say = Callable[[str], None]


def silent(_: str) -> None:
    """Says nothing: for tests and for callers that show their own progress."""


class Progress:
    """Prints one line when a step ends, and one when a long step begins."""

    def __init__(self, say: Say, clock: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._clock = clock
        self._began = clock()

    def note(self, text: str) -> None:
        self._say(f"  · {text}")

    @contextmanager
    def step(self, title: str, expect: str = "") -> Iterator[None]:
        """Time what happens inside; `expect` announces a step that takes long before it begins."""
        if expect:
            self._say(f"  … {title} ({expect})")
        began = self._clock()
        try:
            yield
        except BaseException:
            self._say(f"  ✗ {title:<52} {_seconds(self._clock() - began)}")
            raise
        self._say(f"  ✓ {title:<52} {_seconds(self._clock() - began)}")

    def total(self, title: str) -> None:
        self._say(f"  = {title:<52} {_seconds(self._clock() - self._began)}")


def _seconds(elapsed: float) -> str:
    if elapsed < 60:
        return f"{elapsed:6.1f} s"
    return f"{int(elapsed // 60):3d} min {int(elapsed % 60):2d} s"
