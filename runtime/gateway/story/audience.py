"""Those who listen to one decision: a repeated request hears what the first one has yet to hear."""

from collections.abc import Iterator
from contextlib import contextmanager

from runtime.audit import Candidate
from runtime.gateway.story.poll import Watch


class Audience:
    """Listeners who come and go while candidates arrive."""

    def __init__(self) -> None:
        self._listeners: list[Watch] = []

    def hear(self, candidate: Candidate) -> None:
        """Tell all who listen now."""
        for listener in tuple(self._listeners):
            listener(candidate)

    @contextmanager
    def joined_by(self, listener: Watch) -> Iterator[None]:
        """Tell this one too."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)
